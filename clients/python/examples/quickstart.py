"""Stores a session and reads it again: `python quickstart.py [ADDRESS]`."""

import sys

import kvgate

address = sys.argv[1] if len(sys.argv) > 1 else "localhost:50051"

with kvgate.Client(address) as client:
    sessions = client.collection("sessions")
    sessions.put("user-7", {"name": "Ada", "cart": [1, 2]}, ttl=3600)
    print(sessions.get("user-7"))
    print(sessions.get("user-8"))
    print(f"lives {sessions.ttl('user-7'):.0f} seconds more")
    sessions.delete("user-7")
