"""The paper's numbers, each with its figure and where we have it from; nothing else.

How sure: `quoted` from the paper or its abstract, `second-hand` from those who cite it, `from memory` of the paper and
checked for consistency, `computed` from other numbers. Called by the studies, which put ours beside them.

Source: Kang, Hauswald, Gao, Rovinski, Mudge, Mars, Tang, Neurosurgeon: Collaborative Intelligence Between the Cloud and
Mobile Edge, ASPLOS 2017.
"""

from partway.studies.findings import Certainty, Claim, Unit

_CONFIGURATIONS = "10-12"


def _claim(figure: str, quantity: str, value: float | bool, unit: Unit, certainty: Certainty) -> Claim:
    return Claim(figure=figure, quantity=quantity, value=value, unit=unit, certainty=certainty)


# Status quo: AlexNet, whole on one side.
DEVICE_CPU_S = _claim("3", "AlexNet on the device's CPU", 0.382, "s", "from memory")
DEVICE_GPU_S = _claim("3", "AlexNet on the device's GPU", 0.081, "s", "second-hand")
SERVER_S = _claim("3", "AlexNet on the server, computing alone", 0.006, "s", "from memory")
UPLOAD_WIFI_S = _claim("3", "sending the image over Wi-Fi", 0.095, "s", "from memory")
UPLOAD_LTE_S = _claim("3", "sending the image over LTE", 0.180, "s", "second-hand")
UPLOAD_3G_S = _claim("3", "sending the image over 3G", 0.870, "s", "second-hand")
WIFI_COMPUTE_SHARE = _claim("3", "computing, of server-only over Wi-Fi", 0.06, "share", "second-hand")
GPU_BEATS_LTE = _claim("3", "device GPU is faster than server-only over LTE", True, "yes", "second-hand")
GPU_BEATS_3G = _claim("3", "device GPU is faster than server-only over 3G", True, "yes", "second-hand")
LTE_BEATS_CPU = _claim("3", "server-only over LTE is faster than the device's CPU", True, "yes", "second-hand")
WIFI_BEATS_CPU = _claim("3", "server-only over Wi-Fi is faster than the device's CPU", True, "yes", "second-hand")
ENERGY_WIFI_SERVER = _claim("4", "server-only takes the least energy over Wi-Fi", True, "yes", "second-hand")
ENERGY_LTE_GPU = _claim("4", "device GPU takes less energy than server-only over LTE", True, "yes", "second-hand")
ENERGY_3G_GPU = _claim("4", "device GPU takes less energy than server-only over 3G", True, "yes", "second-hand")

# AlexNet, layer by layer.
POOL5_SHRINKS = _claim("5", "pool5 makes its data smaller by", 4.7, "x", "second-hand")
POOLS_SHRINK_MOST = _claim("5", "no layer before fc6 shrinks its data more than pools do", True, "yes", "second-hand")
FC6_SHARE = _claim("5", "fc6, of AlexNet's time on the device's GPU", 0.45, "share", "second-hand")
BEST_LATENCY_POOL5 = _claim("6", "device GPU, Wi-Fi: the fastest cut is after pool5", True, "yes", "second-hand")
BEST_ENERGY_POOL5 = _claim("6", "device GPU, Wi-Fi: the cut of least energy is after pool5", True, "yes", "second-hand")
POOL5_GAIN = _claim("6", "that cut, times faster than server-only", 2.0, "x", "from memory")
POOL5_ENERGY_SAVED = _claim("6", "that cut, energy saved against server-only", 0.18, "share", "second-hand")

# Where the best cuts lie.
VISION_IN_THE_MIDDLE = _claim("7-9", "vision networks are often cut in the middle", True, "yes", "second-hand")
OTHERS_AT_ONE_END = _claim("7-9", "ASR, POS, CHK and NER stay at one end", True, "yes", "second-hand")
ASR_ON_SERVER = _claim("7-9", "ASR stays on the server", True, "yes", "second-hand")

# Eight networks, three links, CPU and GPU, against server-only.
MEAN_GAIN = _claim(_CONFIGURATIONS, "mean speed-up over 48 configurations", 3.1, "x", "quoted")
MAX_GAIN = _claim(_CONFIGURATIONS, "largest speed-up", 40.7, "x", "quoted")
VGG_3G_GPU_GAIN = _claim(_CONFIGURATIONS, "speed-up of VGG on the device's GPU over 3G", 20.0, "x", "second-hand")
MEAN_ENERGY_SAVED = _claim(_CONFIGURATIONS, "mean energy saved over 48 configurations", 0.595, "share", "quoted")
MAX_ENERGY_SAVED = _claim(_CONFIGURATIONS, "most energy saved", 0.947, "share", "quoted")
OF_OPTIMAL_GAIN = _claim(_CONFIGURATIONS, "speed-up reached, of the optimal", 0.985, "share", "second-hand")
OPTIMAL_CUTS = _claim(
    _CONFIGURATIONS, "configurations, of 48, in which the fastest cut is chosen", 44, "count", "second-hand"
)
OPTIMAL_ENERGY_CUTS = _claim(
    _CONFIGURATIONS, "configurations, of 48, in which the cut of least energy is chosen", 44, "count", "second-hand"
)

# Against MAUI.
MAUI_MEAN = _claim("13", "mean speed-up against MAUI", 1.9, "x", "second-hand")
MAUI_MAX = _claim("13", "largest speed-up against MAUI", 32.0, "x", "second-hand")

# A link that varies, a server that is busy.
FLAT_UNDER_LTE = _claim("14", "stays flat over LTE where server-only spikes", True, "yes", "second-hand")
IDLE_SERVER_S = _claim("15", "server-only, the server idle", 0.105, "s", "second-hand")
BUSY_SERVER_S = _claim("15", "server-only, the server 90 % busy", 0.753, "s", "second-hand")
CUT_UNDER_LOAD_S = _claim("15", "cut anew as the server gets busy, at worst", 0.380, "s", "second-hand")

# The data centre's throughput against server-only.
THROUGHPUT_WIFI = _claim("16", "throughput over Wi-Fi", 1.04, "x", "second-hand")
THROUGHPUT_LTE = _claim("16", "throughput over LTE", 1.43, "x", "second-hand")
THROUGHPUT_3G = _claim("16", "throughput over 3G", 2.36, "x", "second-hand")
THROUGHPUT_MEAN = _claim("16", "mean throughput", 1.5, "x", "quoted")
THROUGHPUT_MAX = _claim("16", "largest throughput: every device with a GPU, over 3G", 6.7, "x", "quoted")
