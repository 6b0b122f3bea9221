"""The skill's function in a process of its own, as AWS Lambda runs it.

It loads the one file by itself, answers each line of standard input, a directive, by a
line of standard output, and knows nothing of the project.

Usage: python alexa_function.py PATH/TO/lambda_function.py
"""

import importlib.util
import json
import os
from pathlib import Path
import sys


def main() -> None:
    """Answer until standard input ends."""
    # Lambda sets it, and the function gets its clients ready when it is there.
    os.environ["AWS_LAMBDA_FUNCTION_NAME"] = "kinesis-webrtc"
    spec = importlib.util.spec_from_file_location("index", Path(sys.argv[1]))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["index"] = module
    spec.loader.exec_module(module)
    for line in sys.stdin:
        print(json.dumps(module.lambda_handler(json.loads(line), None)), flush=True)


if __name__ == "__main__":
    main()
