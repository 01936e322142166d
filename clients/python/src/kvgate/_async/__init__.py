"""The client for asyncio. All of it but `transport` is the source of `kvgate._sync`."""
