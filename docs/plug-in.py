"""A policy plug-in in Python: keeps chats with customers' names at home, and prefers the private site.

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
        labels = question.facts.request.labels
        regulated = any(label.startswith("pii.") for label in labels)
        boundary = decision.BOUNDARY_DEVICE if regulated else question.boundary
        may = [
            place
            for place, candidate in enumerate(question.candidates)
            if candidate.site.boundary <= boundary and not candidate.unavailable
        ]
        # The private site first, then whatever takes least time.
        wanted = lambda place: (
            question.candidates[place].site.boundary != decision.BOUNDARY_PRIVATE,
            question.candidates[place].prediction.latency_seconds,
        )
        return wire.DecideResponse(
            boundary=boundary, admitted=sorted(may, key=wanted), reason="the plug-in says so"
        )


server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
services.add_PolicyServiceServicer_to_server(Decider(), server)
port = server.add_insecure_port(sys.argv[2])
server.start()
print(f"listening on port {port}", flush=True)
server.wait_for_termination()
