"""A bulk load: batches on their way to the server, of which a few wait for acknowledgement."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from google.protobuf.duration_pb2 import Duration

from kvgate._async.transport import BulkCall
from kvgate._requests import Batch, encode_entry
from kvgate._status import after_put_many
from kvgate.entries import EntryToPut
from kvgate.errors import KvgateError, PutManyFailure
from kvgate.gen.keyvalue.v1 import key_value_service_pb2 as pb

BATCHES_WAITING_MAX = 4
"""How many batches may be on their way before the next one waits for an acknowledgement."""


@dataclass
class AsyncLoad:
    """Puts entries into batches and keeps count of what is stored."""

    call: BulkCall[pb.StreamPutManyRequest, pb.StreamPutManyResponse]
    store: str
    collection: str
    ttl: Duration | None
    on_stored: Callable[[int], object] | None
    stored: int = 0
    _given: int = 0
    _waiting: int = 0
    _batch: Batch[pb.PutEntry] = field(default_factory=Batch)

    async def add(self, entry: EntryToPut) -> None:
        """Adds an entry, and sends the batch first that it has no room in."""
        try:
            encoded = encode_entry(entry, self._given, self.ttl)
        except KvgateError as error:
            error.put_many = PutManyFailure(self.stored, (), self._waiting > 0, ())
            raise
        size = encoded.ByteSize()
        if not self._batch.has_room(size):
            await self._send()
        self._batch.add(encoded, size)
        self._given += 1

    async def finish(self) -> int:
        """Sends what is left and waits until all is stored; says how much that is."""
        if len(self._batch) > 0:
            await self._send()
        await self.call.finish()
        while self._waiting > 0:
            await self._acknowledge()
        # All is stored, whatever comes now; but a call that is cut off looks like a failed one to
        # the server.
        with suppress(KvgateError):
            await self.call.end()
        return self.stored

    async def _send(self) -> None:
        if self._waiting == BATCHES_WAITING_MAX:
            await self._acknowledge()
        request = pb.StreamPutManyRequest(
            store=self.store, collection=self.collection, entries=self._batch.items
        )
        await self.call.send(request)
        self._waiting += 1
        self._batch = Batch()

    async def _acknowledge(self) -> None:
        try:
            answer = await self.call.receive()
        except KvgateError as error:
            raise after_put_many(error, self.stored) from error.__cause__
        self._waiting -= 1
        self.stored += answer.stored
        if self.on_stored is not None:
            self.on_stored(self.stored)
