"""What goes wrong and how it is told: `python errors.py [ADDRESS]`."""

import sys

import kvgate

address = sys.argv[1] if len(sys.argv) > 1 else "localhost:50051"

with kvgate.Client(address, timeout=5.0) as client:
    users = client.collection("users")

    try:
        users.put_many([("7", {"name": "Ada"}), ("", {"name": "nobody"})])
    except kvgate.InvalidArgumentError as error:
        print(f"{error.reason} in {error.field}: {error}")

    try:
        client.collection(store="elsewhere").get("7")
    except kvgate.StoreNotFoundError as error:
        print(f"{error.reason}: {error.metadata['store']}")

    # Whatever else fails is a KvgateError too.
    try:
        users.put("7", "this is no JSON object")
    except kvgate.KvgateError as error:
        print(f"{error.code.name} {error.reason}")

try:
    with kvgate.Client("localhost:1", attempts_max=2) as nobody:
        nobody.collection().get("7")
except kvgate.UnavailableError as error:
    print(f"not reached, tried {error.attempts} times")
