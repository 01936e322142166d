"""Which calls are tried again, by a server that fails as told."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

import kvgate
from kvgate._retry import BACKOFF_SECONDS_MAX, pause_before_retry
from kvgate.gen.keyvalue.v1 import key_value_service_pb2 as pb
from tests.both import AnyClient, first, settle
from tests.stub import Stub, failure

DOWN = failure(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", 0.01)
BROKEN = failure(grpc.StatusCode.UNAVAILABLE)
BUSY = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", 0.01)
FULL = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL")
LATER = failure(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", 3600)


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as stub:
        yield stub


@pytest.mark.parametrize("fault", [DOWN, BROKEN, BUSY])
async def test_what_may_pass_is_tried_again(
    fault: object, stub: Stub, client_class: type[AnyClient]
) -> None:
    stub.failures = [fault, fault, fault]  # type: ignore[list-item]
    client = client_class(stub.address)
    assert await settle(client.collection().get("key")) == {}
    assert len(stub.calls) == 4
    await settle(client.close())


async def test_no_more_often_than_told(stub: Stub, client_class: type[AnyClient]) -> None:
    stub.failures = [DOWN] * 9
    client = client_class(stub.address, attempts_max=3)
    with pytest.raises(kvgate.UnavailableError) as caught:
        await settle(client.collection().get("key"))
    assert (caught.value.attempts, len(stub.calls)) == (3, 3)
    assert caught.value.reason == "STORE_UNAVAILABLE"
    assert caught.value.retry_after == pytest.approx(0.01)
    await settle(client.close())


async def test_what_does_not_pass_is_not(stub: Stub, client_class: type[AnyClient]) -> None:
    stub.failures = [FULL]
    client = client_class(stub.address)
    with pytest.raises(kvgate.ResourceExhaustedError) as caught:
        await settle(client.collection().get("key"))
    assert caught.value.attempts == 1
    await settle(client.close())


async def test_not_beyond_the_deadline(stub: Stub, client_class: type[AnyClient]) -> None:
    stub.failures = [LATER]
    client = client_class(stub.address)
    with pytest.raises(kvgate.UnavailableError):
        await settle(client.collection().get("key"))
    assert len(stub.calls) == 1
    await settle(client.close())


async def test_a_stream_before_its_first_answer(stub: Stub, client_class: type[AnyClient]) -> None:
    stub.failures = [DOWN]
    client = client_class(stub.address)
    result = await first(client.collection().scan())
    assert result.key == "0"
    assert len(stub.calls) == 2
    await settle(client.close(grace=0))


async def test_a_bulk_load_never(stub: Stub, client_class: type[AnyClient]) -> None:
    stub.failures = [lambda _: None, DOWN]
    client = client_class(stub.address)
    entries: list[kvgate.EntryToPut] = [(str(n), {}) for n in range(2_500)]
    with pytest.raises(kvgate.UnavailableError) as caught:
        await settle(client.collection().stream_put_many(entries))
    assert caught.value.put_many is not None
    assert caught.value.put_many.acknowledged == 1_000
    await settle(client.close())


async def test_what_an_earlier_try_stored_is_not_known(
    stub: Stub, client_class: type[AnyClient]
) -> None:
    stub.failures = [DOWN, failure(grpc.StatusCode.FAILED_PRECONDITION, "READ_ONLY")]
    client = client_class(stub.address)
    with pytest.raises(kvgate.ReadOnlyError) as caught:
        await settle(client.collection().put_many({"a": {}}))
    assert caught.value.put_many == kvgate.PutManyFailure(0, (), True, ())
    await settle(client.close())


async def test_what_a_failed_put_many_stored(stub: Stub, client_class: type[AnyClient]) -> None:
    detail = pb.PutManyFailure(stored_bitmap=bytes([0b101, 0b10]), stored_count=3)
    detail.first_failures.add(index=1, key="b").error.code = 14
    stub.failures = [
        lambda _: None,
        failure(grpc.StatusCode.INTERNAL, "INTERNAL", None, detail),
    ]
    client = client_class(stub.address)
    entries: list[kvgate.EntryToPut] = [(str(n), {}) for n in range(2_000)]
    with pytest.raises(kvgate.KvgateError) as caught:
        await settle(client.collection().stream_put_many(entries))
    put_many = caught.value.put_many
    assert put_many is not None
    assert (put_many.acknowledged, put_many.stored) == (1_000, (1_000, 1_002, 1_009))
    assert not put_many.uncertain
    (failed,) = put_many.first_failures
    assert (failed.index, failed.key) == (1_001, "b")
    assert isinstance(failed.error, kvgate.UnavailableError)
    await settle(client.close())


async def test_a_server_that_is_not_there(client_class: type[AnyClient]) -> None:
    with Stub() as gone:
        pass
    client = client_class(gone.address)
    with pytest.raises(kvgate.UnavailableError) as caught:
        await settle(client.collection().put_many({"a": {}}))
    assert caught.value.reason is None
    assert caught.value.attempts == 4
    assert caught.value.put_many is not None
    assert caught.value.put_many.uncertain
    await settle(client.close())


def test_pauses_grow_and_heed_the_server() -> None:
    error = kvgate.UnavailableError("", code=grpc.StatusCode.UNAVAILABLE)
    for attempt, backoff in [(1, 0.05), (2, 0.1), (9, BACKOFF_SECONDS_MAX)]:
        error.attempts = attempt
        pause = pause_before_retry(error, 10)
        assert pause is not None
        assert backoff * 0.5 <= pause <= backoff * 1.5
    error.retry_after = 7.0
    pause = pause_before_retry(error, 10)
    assert pause is not None
    assert pause >= 7.0
    assert pause_before_retry(error, 9) is None
