"""
Step Functions as moto has it (LocalStack's interpreter), over HTTP, with two things that it leaves open:
JSONata is evaluated by jsonata-python, and functions are invoked at the URL in INVOKE_URL.
Prints `PORT` and its port on a line.
"""

import json
import os
import sys
import urllib.request

from jsonata.jsonata import Jsonata
from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer
from moto.stepfunctions.parser.asl.jsonata import jsonata as asl_jsonata
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils


def evaluate(expression):
    try:
        result = Jsonata(expression).evaluate(None)
        # Lists and nothing of jsonata-python are its own classes.
        return json.loads(json.dumps(result))
    except Exception as error:
        raise asl_jsonata.JSONataException("UNKNOWN", str(error)) from error


def invoke(parameters, region, state_credentials):
    payload = parameters.get("Payload")
    body = payload if isinstance(payload, (bytes, str)) else json.dumps(payload)
    data = body.encode() if isinstance(body, str) else body
    request = urllib.request.Request(os.environ["INVOKE_URL"], data=data, method="POST")
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    result = {"StatusCode": 200, "ExecutedVersion": "1", "Payload": answer["payload"]}
    if answer["error"]:
        result["FunctionError"] = "Unhandled"
    return result


asl_jsonata._eval_jsonata = evaluate
# It refuses `$` everywhere; AWS refuses it at the top of an expression alone.
asl_jsonata._ILLEGAL_VARIABLE_REFERENCES = set()
lambda_eval_utils._invoke_lambda_function = invoke
default_user_config["stepfunctions"] = {"execute_state_machine": True}

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
print(f"PORT {server.get_host_and_port()[1]}", flush=True)
# It ends with whoever started it.
sys.stdin.read()
