import importlib.util
import subprocess
import sys

import pytest

from partway.wire import SERVICE, Method
from partway.wire.descriptors import message_class

# A stranger's messages of the same names, as a generated module registers them.
STRANGER = """
from google.protobuf import descriptor_pb2, descriptor_pool
file = descriptor_pb2.FileDescriptorProto(name="grpc_service.proto", package="inference", syntax="proto3")
file.message_type.add(name="ModelInferRequest").field.add(name="other", number=1, type=9, label=1)
descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
"""
OURS = """
from partway.wire import InferRequest, decode_request, encode_request
assert decode_request(encode_request(InferRequest(model_name="m"))).model_name == "m"
"""


def run_python(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("program", [STRANGER + OURS, OURS + STRANGER])
def test_messages_live_beside_others_of_the_same_names(program: str) -> None:
    run_python(program)


@pytest.mark.skipif(importlib.util.find_spec("tritonclient") is None, reason="tritonclient is not installed")
@pytest.mark.parametrize("triton_first", [True, False])
def test_messages_live_beside_those_of_tritonclient(triton_first: bool) -> None:
    triton = "import tritonclient.grpc\n"
    run_python(triton + OURS if triton_first else OURS + triton)


def test_methods_have_their_full_names() -> None:
    assert SERVICE == "inference.GRPCInferenceService"
    assert [str(method) for method in Method] == [
        "ServerLive",
        "ServerReady",
        "ModelReady",
        "ServerMetadata",
        "ModelMetadata",
        "ModelInfer",
    ]
    assert Method.MODEL_INFER.path == "/inference.GRPCInferenceService/ModelInfer"


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("ModelInferRequest", "model_name model_version id parameters inputs outputs raw_input_contents"),
        ("ModelInferRequest.InferInputTensor", "name datatype shape parameters contents"),
        ("ModelInferRequest.InferRequestedOutputTensor", "name parameters"),
        ("ModelInferResponse", "model_name model_version id parameters outputs raw_output_contents"),
        ("ModelInferResponse.InferOutputTensor", "name datatype shape parameters contents"),
        ("InferParameter", "bool_param int64_param string_param double_param uint64_param"),
        (
            "InferTensorContents",
            "bool_contents int_contents int64_contents uint_contents uint64_contents "
            "fp32_contents fp64_contents bytes_contents",
        ),
        ("ModelMetadataResponse", "name versions platform inputs outputs"),
        ("ServerMetadataResponse", "name version extensions"),
        ("ModelReadyRequest", "name version"),
        ("HealthCheckRequest", "service"),
        ("HealthCheckResponse", "status"),
    ],
)
def test_fields_are_numbered_as_in_the_protocol(message: str, fields: str) -> None:
    numbers = {field.number: field.name for field in message_class(message).DESCRIPTOR.fields}
    assert [numbers[number] for number in sorted(numbers)] == fields.split()
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


@pytest.mark.skipif(importlib.util.find_spec("tritonclient") is None, reason="tritonclient is not installed")
def test_descriptors_agree_with_those_of_tritonclient() -> None:
    program = """
import tritonclient.grpc.service_pb2 as triton
from partway.wire.descriptors import _pool

def fields(message):
    found = {
        (field.name, field.number, field.type, field.message_type and field.message_type.full_name,
         field.containing_oneof and field.containing_oneof.name)
        for field in message.fields
    }
    return found, {nested.name: fields(nested) for nested in message.nested_types}

ours = _pool().FindFileByName("partway/open_inference.proto").message_types_by_name
for name, message in ours.items():
    assert fields(message) == fields(triton.DESCRIPTOR.message_types_by_name[name]), name
"""
    run_python(program)
