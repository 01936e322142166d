import assert from "node:assert/strict";
import { test } from "node:test";

import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { connect } from "kvgate";

import { startFake } from "./fake.js";

test("the trace goes on at the server", async () => {
  const seen: (string | null)[] = [];
  const fake = await startFake({
    get: (_request, { requestHeader }) => {
      seen.push(requestHeader.get("traceparent"));
      return {};
    },
  });
  const client = connect(fake.url);
  await client.collection().get("before OpenTelemetry is set up");

  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const spanId = "b7ad6b7169203331";
  const span = trace.wrapSpanContext({ traceId, spanId, traceFlags: 1 });
  await context.with(trace.setSpan(context.active(), span), () =>
    client.collection().get("in a span"),
  );
  assert.deepEqual(seen, [null, `00-${traceId}-${spanId}-01`]);
  await client.close();
  await fake.stop();
});
