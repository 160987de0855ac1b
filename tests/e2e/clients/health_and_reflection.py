"""gRPC's own health check and reflection."""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

address, token, service = sys.argv[1:]


class Bearer(grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor):
    def _with_token(self, details):
        metadata = [] if token == "-" else [("authorization", f"Bearer {token}")]
        return details._replace(metadata=(details.metadata or []) + metadata)

    def intercept_unary_unary(self, proceed, details, request):
        return proceed(self._with_token(details), request)

    def intercept_stream_stream(self, proceed, details, requests):
        return proceed(self._with_token(details), requests)


with grpc.intercept_channel(grpc.insecure_channel(address), Bearer()) as channel:
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", service):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, (name, answer)
    assert service in ProtoReflectionDescriptorDatabase(channel).get_services()
