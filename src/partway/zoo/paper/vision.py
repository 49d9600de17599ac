"""The networks that look at images: AlexNet, VGG-19, DeepFace and LeNet, as their Caffe files lay them out.

In comes an empty stack and how many images a query holds; the layers are put on it. Called by the catalogue.
"""

from partway.zoo.paper.stack import LayerStack

_CLASSES = 1000  # of ImageNet
_VGG_BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


def alexnet(stack: LayerStack, images: int) -> None:
    """AlexNet, 24 layers, in Caffe's form: normalisation before pooling, two groups where it was two GPUs.

    The files that the paper's authors published with DjiNN have pooling before normalisation, so that norm1 and norm2
    see 4.1 and 4.3 times less; nothing else differs, and what crosses after pool1 and pool2 is the same.

    Source: Krizhevsky et al., NIPS 2012; Caffe, models/bvlc_alexnet.
    """
    stack.images(images, 3, 227, 227)
    stack.conv("conv1", 96, 11, stride=4)
    stack.relu("relu1")
    stack.norm("norm1")
    stack.pool("pool1", 3, 2)
    stack.conv("conv2", 256, 5, padding=2, groups=2)
    stack.relu("relu2")
    stack.norm("norm2")
    stack.pool("pool2", 3, 2)
    stack.conv("conv3", 384, 3, padding=1)
    stack.relu("relu3")
    stack.conv("conv4", 384, 3, padding=1, groups=2)
    stack.relu("relu4")
    stack.conv("conv5", 256, 3, padding=1, groups=2)
    stack.relu("relu5")
    stack.pool("pool5", 3, 2)
    _classify(stack)


def vgg19(stack: LayerStack, images: int) -> None:
    """VGG-19, 46 layers.

    Source: Simonyan and Zisserman, ICLR 2015, configuration E; an argmax behind it, as the paper counts.
    """
    stack.images(images, 3, 224, 224)
    for block, (convolutions, channels) in enumerate(_VGG_BLOCKS, start=1):
        for place in range(1, convolutions + 1):
            stack.conv(f"conv{block}_{place}", channels, 3, padding=1)
            stack.relu(f"relu{block}_{place}")
        stack.pool(f"pool{block}", 2, 2)
    _classify(stack)


def deepface(stack: LayerStack, images: int) -> None:
    """DeepFace, 10 layers, without activations, as the paper counts them.

    The classes are those of the published network. The files of the paper's authors end in 83 and in 1,710 classes:
    with 83, fc8 has 65 MB of weights and 16 M MACs less, of 476 MB and 518 M.

    Source: Taigman et al., CVPR 2014, figure 2.
    """
    stack.images(images, 3, 152, 152)
    stack.conv("conv1", 32, 11)
    stack.pool("pool2", 3, 2)
    stack.conv("conv3", 16, 9)
    stack.local("local4", 16, 9)
    stack.local("local5", 16, 7, stride=2)
    stack.local("local6", 16, 5)
    stack.fc("fc7", 4096)
    stack.fc("fc8", 4030)
    stack.softmax("prob")
    stack.argmax("argmax")


def mnist(stack: LayerStack, digits: int) -> None:
    """LeNet for the digits of MNIST, 9 layers.

    Source: LeCun et al., 1998, as in Caffe's examples/mnist.
    """
    stack.images(digits, 1, 28, 28)
    stack.conv("conv1", 20, 5)
    stack.pool("pool1", 2, 2)
    stack.conv("conv2", 50, 5)
    stack.pool("pool2", 2, 2)
    stack.fc("ip1", 500)
    stack.relu("relu1")
    stack.fc("ip2", 10)
    stack.softmax("prob")
    stack.argmax("argmax")


def _classify(stack: LayerStack) -> None:
    for number in (6, 7):
        stack.fc(f"fc{number}", 4096)
        stack.relu(f"relu{number}")
        stack.dropout(f"drop{number}")
    stack.fc("fc8", _CLASSES)
    stack.softmax("prob")
    stack.argmax("argmax")
