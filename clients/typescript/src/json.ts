import { UnsafeIntegerError, invalid } from "./errors.js";

/** A JSON object whose members are not known. */
export type JsonObject = Record<string, unknown>;

/** What becomes of integers that no `number` holds when a value is read. */
export type UnsafeIntegers = "throw" | "bigint";

/** Writes a value as JSON text. A `bigint` becomes an integer with all its digits. */
export function encodeJson(value: object, field = "value"): string {
  const text = stringify(value, field);
  if (text === undefined) {
    throw invalid("INVALID_VALUE", field, "the value is nothing that JSON can say");
  }
  return text;
}

/**
 * Reads JSON text without losing digits: `JSON.parse` would turn 9007199254740993 into
 * 9007199254740992 and 1e999 into `Infinity` without a word.
 */
export function decodeJson(text: string, unsafeIntegers: UnsafeIntegers): unknown {
  // Most values have no number that is long enough, and are read at full speed.
  if (!MAY_BE_UNSAFE.test(text)) return JSON.parse(text);
  const unsafe = [...numbers(text)].filter(({ digits }) => losesDigits(digits));
  if (unsafe.length === 0) return JSON.parse(text);
  if (unsafeIntegers === "throw" || !unsafe.every(({ digits }) => INTEGER.test(digits))) {
    throw new UnsafeIntegerError();
  }
  return parseWithBigints(text, unsafe);
}

const MAY_BE_UNSAFE = /\d{16}|[eE]\+?\d{3}/;
const INTEGER = /^-?\d+$/;

// JSON.stringify writes NaN and Infinity as null, and refuses bigint.
function stringify(value: object, field: string): string | undefined {
  const refuseNonFinite = (_member: string, member: unknown): unknown => {
    if (typeof member !== "number" || Number.isFinite(member)) return member;
    throw invalid("INVALID_VALUE", field, `the value has a number that JSON lacks: ${member}`);
  };
  try {
    const text = JSON.stringify(value) as string | undefined;
    if (text?.includes("null")) JSON.stringify(value, refuseNonFinite);
    return text;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return stringifyBigints(value, refuseNonFinite, error);
  }
}

type Replacer = (name: string, member: unknown) => unknown;

function stringifyBigints(value: object, otherwise: Replacer, refused: TypeError): string {
  let bigints = 0;
  const mark = unusedMark();
  const text = JSON.stringify(value, (name, member: unknown) => {
    if (typeof member !== "bigint") return otherwise(name, member);
    bigints += 1;
    return `${mark}${member.toString()}`;
  });
  if (bigints === 0) throw refused;
  return text.replaceAll(new RegExp(`"${mark}(-?\\d+)"`, "g"), "$1");
}

function parseWithBigints(text: string, unsafe: NumberInText[]): unknown {
  const mark = unusedMark();
  const parts: string[] = [];
  let end = 0;
  for (const { at, digits } of unsafe) {
    parts.push(text.slice(end, at), `"${mark}${digits}"`);
    end = at + digits.length;
  }
  parts.push(text.slice(end));
  return JSON.parse(parts.join(""), (_member, value: unknown) =>
    typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value,
  );
}

// Nobody can put this into a value beforehand, as it is made anew each time.
function unusedMark(): string {
  return `bigint-${crypto.getRandomValues(new Uint32Array(4)).join("-")}:`;
}

interface NumberInText {
  at: number;
  digits: string;
}

// Finds the numbers of valid JSON text. A loop rather than one expression, which would need a
// stack as deep as a string is long.
function* numbers(text: string): Generator<NumberInText> {
  NUMBER_OR_STRING.lastIndex = 0;
  let at = 0;
  while (at < text.length) {
    NUMBER_OR_STRING.lastIndex = at;
    const found = NUMBER_OR_STRING.exec(text);
    if (found === null) return;
    if (found[0] === '"') {
      at = endOfString(text, found.index + 1);
    } else {
      yield { at: found.index, digits: found[0] };
      at = found.index + found[0].length;
    }
  }
}

const NUMBER_OR_STRING = /"|-?\d[\d.eE+-]*/g;

function endOfString(text: string, begin: number): number {
  let end = text.indexOf('"', begin);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end + 1;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === "\\") backslashes += 1;
  return backslashes % 2 === 1;
}

// Whether writing the number again would write another integer. A fraction is rounded to what a
// double holds, as in every language, but must not become infinite.
function losesDigits(digits: string): boolean {
  const number = Number(digits);
  if (!Number.isFinite(number)) return true;
  if (!INTEGER.test(digits) || Number.isSafeInteger(number) || String(number) === digits) {
    return false;
  }
  return BigInt(digits) !== BigInt(number);
}
