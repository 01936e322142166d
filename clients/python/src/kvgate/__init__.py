"""The client of kvgate, one door to many key-value stores.

```python
import kvgate

with kvgate.Client("localhost:50051") as client:
    sessions = client.collection("sessions")
    sessions.put("user-7", {"name": "Ada"}, ttl=3600)
    sessions.get("user-7")  # {'name': 'Ada'}
```

`Client` blocks; `AsyncClient` has the same calls for asyncio. The generated code below them is in
`kvgate.gen.keyvalue.v1`.
"""

from kvgate._async.client import AsyncClient
from kvgate._async.collection import AsyncCollection
from kvgate._sync.client import Client
from kvgate._sync.collection import Collection
from kvgate._version import __version__
from kvgate.connect import Tls, Token
from kvgate.entries import (
    Capabilities,
    Entry,
    EntryToPut,
    Limits,
    Result,
    Store,
    Ttl,
    Value,
)
from kvgate.errors import (
    ClosedError,
    DataLossError,
    DeadlineExceededError,
    FailedEntry,
    InvalidArgumentError,
    KvgateError,
    NotSupportedError,
    PermissionDeniedError,
    PutManyFailure,
    ReadOnlyError,
    ResourceExhaustedError,
    StoreNotFoundError,
    UnauthenticatedError,
    UnavailableError,
)

__all__ = [
    "AsyncClient",
    "AsyncCollection",
    "Capabilities",
    "Client",
    "ClosedError",
    "Collection",
    "DataLossError",
    "DeadlineExceededError",
    "Entry",
    "EntryToPut",
    "FailedEntry",
    "InvalidArgumentError",
    "KvgateError",
    "Limits",
    "NotSupportedError",
    "PermissionDeniedError",
    "PutManyFailure",
    "ReadOnlyError",
    "ResourceExhaustedError",
    "Result",
    "Store",
    "StoreNotFoundError",
    "Tls",
    "Token",
    "Ttl",
    "UnauthenticatedError",
    "UnavailableError",
    "Value",
    "__version__",
]
