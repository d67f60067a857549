// replay.c for WebAssembly: node replay.mjs LIBRARY MODEL TEXTS OUT PATH
import { readFileSync, writeFileSync } from "node:fs";

const EXPLAINED = 32, MOST_EXPLAINED = 24, TOKEN_ROOM = 1 << 16;
const [, , libraryPath, modelPath, textsPath, outPath, path] = process.argv;
const { instance } = await WebAssembly.instantiate(readFileSync(libraryPath), {});
const kdb = instance.exports;
let free = kdb.__heap_base.value;

function room(size) {
  const place = Math.ceil(free / 64) * 64;
  free = place + size;
  if (free > kdb.memory.buffer.byteLength) kdb.memory.grow(Math.ceil((free - kdb.memory.buffer.byteLength) / 65536));
  new Uint8Array(kdb.memory.buffer, place, size).fill(0xa5);
  return place;
}
const bytes = (place, size) => new Uint8Array(kdb.memory.buffer, place, size);
const numbers = (place) => new DataView(kdb.memory.buffer, place);

function put(content) {
  const place = room(content.length);
  bytes(place, content.length).set(content);
  return place;
}
function string(place) {
  const all = bytes(0, kdb.memory.buffer.byteLength);
  return new TextDecoder().decode(all.subarray(place, all.indexOf(0, place)));
}
function hash(value, place, size) {
  for (const byte of bytes(place, size)) value = Math.imul(value ^ byte, 16777619);
  return value >>> 0;
}

const file = readFileSync(modelPath), model = room(64), start = put(file);
const code = kdb.kdb_open(model, start, file.length, 1 | ((Number(path) + 1) << 8));
if (code !== 0) {
  console.error(string(kdb.kdb_message(code)));
  process.exit(code === 7 ? 3 : 4);
}
const classes = kdb.kdb_classes(model), most = kdb.kdb_max_tokens(model), pair = kdb.kdb_texts(model);
const scratch = room(kdb.kdb_scratch_size(model)), ids = room(4 * most), words = room(4 * most), logits = room(4 * classes);
const probabilities = room(8 * classes), weights = room(8 * most * pair), given = room(classes), tokens = room(TOKEN_ROOM);
const answer = room(16), counts = room(16), label = room(4);

const input = readFileSync(textsPath);
const count = input.readUInt32LE(0), texts = room(12 * (count + 1));
for (let i = 0, at = 4; i < count; i++) {
  const encoding = input.readUInt32LE(at), length = input.readUInt32LE(at + 4);
  const data = put(input.subarray(at + 8, at + 8 + length)), text = numbers(texts + 12 * i);
  at += 8 + length;
  text.setUint32(0, data, true);
  text.setUint32(4, encoding === 1 ? length / 2 : length, true);
  text.setUint32(8, encoding, true);
}
bytes(texts + 12 * count, 12).set(bytes(texts, 12));

const out = Buffer.alloc(4 * count);
for (let i = 0; i < count; i++) {
  const text = texts + 12 * i;
  if (kdb.kdb_classify(model, scratch, text, answer, logits, probabilities) !== 0) process.exit(8);
  let value = hash(2166136261, answer, 16);
  value = hash(value, logits, 4 * classes);
  value = hash(value, probabilities, 8 * classes);
  numbers(label).setInt32(0, kdb.kdb_decide(model, logits, 0, probabilities), true);
  kdb.kdb_given(model, logits, given);
  value = hash(value, label, 4);
  value = hash(value, probabilities, 8 * classes);
  value = hash(value, given, classes);
  const idCount = kdb.kdb_ids(model, scratch, text, ids, most, counts);
  const wordCount = kdb.kdb_words(model, scratch, text, words, most);
  const written = kdb.kdb_tokens(model, scratch, text, tokens, TOKEN_ROOM);
  value = hash(value, ids, 4 * idCount);
  value = hash(value, words, 4 * wordCount);
  value = hash(value, tokens, Math.min(written, TOKEN_ROOM));
  if (i % EXPLAINED === 0 && numbers(answer).getUint32(4, true) <= MOST_EXPLAINED) {
    const explained = kdb.kdb_explain(model, scratch, text, -1, counts, logits, weights);
    value = hash(value, logits, 4 * classes);
    value = hash(value, weights, 8 * explained);
  }
  out.writeUInt32LE(value, 4 * i);
}
writeFileSync(outPath, out);

let right = 0;
const together = kdb.kdb_texts(model);
for (let i = 0; i < kdb.kdb_golden_count(model); i += together) {
  const pointers = room(12), golden = room(24), own = room(4 * most);
  const equal = (one, other, size) => Buffer.compare(bytes(one, size), bytes(other, size)) === 0;
  let isRight = true, wantedLogits;
  for (let k = 0; k < together; k++) {
    const one = golden + 12 * k;
    if (kdb.kdb_golden(model, i + k, one, pointers, pointers + 4, pointers + 8) !== 0) process.exit(8);
    const [wantedIds, wantedCount, found] = [0, 4, 8].map((at) => numbers(pointers).getUint32(at, true));
    wantedLogits = found;
    const ownCount = kdb.kdb_ids(model, scratch, one, own, most, answer);
    isRight = isRight && ownCount === wantedCount && equal(own, wantedIds, 4 * ownCount);
  }
  if (kdb.kdb_classify(model, scratch, golden, answer, logits, 0) !== 0) process.exit(8);
  if (isRight && equal(logits, wantedLogits, 4 * classes)) right++;
}
console.log(`${string(kdb.kdb_path_name(kdb.kdb_path(model)))} ${right}`);
