"""A model on NVIDIA PyTriton that echoes: what goes in comes out.

usage: pytriton_echo.py GRPC_PORT HTTP_PORT ELEMENTS
"""

import pathlib
import signal
import sys
import sysconfig

import numpy
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

grpc, http, elements = map(int, sys.argv[1:])

# Triton's Python backend loads the system's libpython, which may be an older patch release than the
# Python that runs this; its standard library then misses a method of the older one's locks.
PATCH = """
import threading
if not hasattr(threading.RLock(), "_recursion_count"):
    import multiprocessing.resource_tracker as tracker
    tracker._resource_tracker._lock = threading._PyRLock()
"""
pathlib.Path(sysconfig.get_path("purelib"), "sitecustomize.py").write_text(PATCH)

# Asked to end, it ends Triton too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


@batch
def echo(**tensors):
    return {"output": tensors["input"]}


config = TritonConfig(
    grpc_address="127.0.0.1", grpc_port=grpc, http_address="127.0.0.1", http_port=http, allow_metrics=False
)
with Triton(config=config) as triton:
    triton.bind(
        model_name="echo",
        infer_func=echo,
        inputs=[Tensor(name="input", dtype=numpy.float32, shape=(elements,))],
        outputs=[Tensor(name="output", dtype=numpy.float32, shape=(elements,))],
        config=ModelConfig(max_batch_size=16),
    )
    triton.serve()
