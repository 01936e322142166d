"""The client that blocks. All of it but `transport` is made from `kvgate._async` by unasync.py."""
