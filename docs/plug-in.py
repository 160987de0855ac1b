"""A policy plug-in in Python: keeps personal data at home, and prefers the private site.

    pip install grpcio grpcio-tools
    python plug-in.py PATH/TO/proto 127.0.0.1:7091
"""

import sys
from concurrent import futures

import grpc

sys.path.insert(0, sys.argv[1])
wire, services = grpc.protos_and_services("tideline/policy/v1/policy.proto")
decision = grpc.protos("tideline/policy/v1/decision.proto")


class Decider(services.PolicyServiceServicer):
    def Decide(self, question, context):
        personal = any(label.startswith("pii.") for label in question.facts.request.labels)
        boundary = decision.BOUNDARY_DEVICE if personal else question.boundary
        may = [
            (one.site.boundary != decision.BOUNDARY_PRIVATE, one.prediction.latency_seconds, place)
            for place, one in enumerate(question.candidates)
            if one.site.boundary <= boundary and not one.unavailable
        ]
        # The private site first, then whatever takes least time.
        admitted = [place for *_, place in sorted(may)]
        return wire.DecideResponse(boundary=boundary, admitted=admitted, reason="the plug-in says so")


server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
services.add_PolicyServiceServicer_to_server(Decider(), server)
port = server.add_insecure_port(sys.argv[2])
server.start()
print(f"listening on port {port}", flush=True)
server.wait_for_termination()
