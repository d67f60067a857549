// Classifies text in browsers, workers and node: a model file, a WebAssembly engine, and nothing else.

const ALIGNMENT = 64; // bytes; the model's, and of all that lies beside it
const PAGE = 65536;
const UTF16 = 1;
const OK = 0;
const VERIFY = 1;
const MODEL_SIZE = 64;
const TEXT_SIZE = 12;
const ANSWER_SIZE = 16;
const TRAILER = 128; // bytes; docs/native-format.md has their order
const SIGNED = 32; // of them, before the signature
const SIGNATURE = 64;
const MARK = "KDBSIGN\x01";
const FIRST_UNITS = 4096; // UTF-16 code units that there is room for at first

/** What is wrong with a model, or with what it was asked. */
export class KdbuildError extends Error {
  name = "KdbuildError";
}

export const Classifier = {
  /** Load a model. Returns a function from a text to an answer; see kdbuild.d.ts for the rest. */
  async load(source, options = {}) {
    const [module, file] = await Promise.all([
      options.wasm instanceof WebAssembly.Module ? options.wasm : compiled(options.wasm),
      bytesOf(source ?? new URL("model_int8.kdb", import.meta.url)),
    ]);
    const own = options.publicKey ? file.slice() : file; // the bytes that are checked are those that are used
    if (options.publicKey) await checkSignature(own, options.publicKey);
    const { exports } = await WebAssembly.instantiate(module, {});
    return callable(new Engine(exports, own, options.verify ?? true));
  },
};

/** Whether WebAssembly has vectors here: whether a function that returns one is valid. */
export function hasSimd() {
  const type = [1, 5, 1, 0x60, 0, 1, 0x7b]; // () -> v128
  const body = [0, 0xfd, 0x0c, ...new Array(16).fill(0), 0x0b]; // v128.const 0
  const code = [10, body.length + 2, 1, body.length, ...body];
  return WebAssembly.validate(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...type, 3, 2, 1, 0, ...code));
}

async function compiled(source) {
  const name = hasSimd() ? "kdbuild-simd.wasm" : "kdbuild.wasm";
  return WebAssembly.compile(await bytesOf(source ?? new URL(name, import.meta.url)));
}

async function bytesOf(source) {
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  const url = new URL(source, globalThis.location?.href ?? import.meta.url);
  if (url.protocol === "file:" && globalThis.process?.versions?.node) {
    const { readFile } = await import("node:fs/promises"); // node's fetch reads no files
    return readFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new KdbuildError(`${url}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Throws unless a file is signed with the key, a public one in PEM or DER (SubjectPublicKeyInfo). */
async function checkSignature(file, publicKey) {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) throw new KdbuildError("no crypto.subtle: browsers have it on https and localhost only");
  const spki = typeof publicKey === "string" ? fromPem(publicKey) : await bytesOf(publicKey);
  const start = file.length - TRAILER;
  const text = (from, to) => String.fromCharCode(...file.subarray(start + from, start + to));
  if (start < 0 || text(0, MARK.length) !== MARK) throw new KdbuildError("the model isn't signed");
  const digest = new Uint8Array(await subtle.digest("SHA-256", spki));
  if (text(8, 24) !== String.fromCharCode(...digest.subarray(0, 16))) {
    throw new KdbuildError("the model is signed with another key");
  }
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const key = await subtle.importKey("spki", spki, algorithm, false, ["verify"]);
  const signature = file.subarray(start + SIGNED, start + SIGNED + SIGNATURE);
  if (!(await subtle.verify(algorithm, key, signature, file.subarray(0, start + SIGNED)))) {
    throw new KdbuildError("the model's signature doesn't hold: it was changed");
  }
}

function fromPem(text) {
  const body = text.replace(/-----[A-Z ]+-----/g, "").replace(/\s/g, "");
  return Uint8Array.from(atob(body), (byte) => byte.charCodeAt(0));
}

/** The function that `Classifier.load` gives, with all else that can be asked. */
function callable(engine) {
  const classify = (...texts) => engine.classify(texts);
  const { labels, texts, maxTokens, threshold, version, path } = engine;
  Object.defineProperty(classify, "memory", { get: () => engine.kdb.memory.buffer.byteLength });
  return Object.freeze(
    Object.assign(classify, {
      explain: (...texts) => engine.explain(texts),
      ids: (text) => engine.ids(text),
      words: (text) => engine.words(text),
      logits: (...texts) => engine.logits(texts),
      checkGolden: () => engine.checkGolden(),
      labels,
      texts,
      maxTokens,
      threshold,
      version,
      path,
    }),
  );
}

/** An instance of the engine with one model in its memory. Calls never overlap, so all write to the same places. */
class Engine {
  constructor(exports, file, verify) {
    const kdb = exports;
    this.kdb = kdb;
    this.free = kdb.__heap_base.value;
    this.model = this.take(MODEL_SIZE);
    const start = this.take(file.length);
    this.bytes(start, file.length).set(file);
    this.must(kdb.kdb_open(this.model, start, file.length, verify ? VERIFY : 0));

    this.classes = kdb.kdb_classes(this.model);
    this.texts = kdb.kdb_texts(this.model);
    this.maxTokens = kdb.kdb_max_tokens(this.model);
    this.version = BigInt.asUintN(64, kdb.kdb_version(this.model)).toString(16).padStart(16, "0");
    this.path = this.string(kdb.kdb_path_name(kdb.kdb_path(this.model)));
    this.labels = Object.freeze(
      Array.from({ length: this.classes }, (_, label) => this.string(kdb.kdb_label(this.model, label, 0))),
    );
    this.hasSeveralLabels = kdb.kdb_thresholds(this.model) !== 0;

    this.scratch = this.take(kdb.kdb_scratch_size(this.model));
    this.answer = this.take(ANSWER_SIZE);
    this.logitsPlace = this.take(4 * this.classes);
    this.probabilities = this.take(8 * this.classes);
    this.given = this.take(this.classes);
    this.idsPlace = this.take(4 * this.maxTokens);
    this.weights = this.take(8 * this.maxTokens * this.texts);
    this.textPlace = this.take(TEXT_SIZE * this.texts);
    this.rooms = Array.from({ length: this.texts }, () => ({ place: 0, size: 0 }));
    this.wordRoom = { place: 0, size: 0 };
    this.golden = this.take(TEXT_SIZE * this.texts + 12); // and three pointers

    const calibration = this.probabilities; // two numbers; there are at least two classes
    kdb.kdb_calibration(this.model, calibration, calibration + 8);
    this.threshold = this.view().getFloat64(calibration + 8, true);
  }

  classify(texts) {
    this.put(texts);
    const { kdb, model, scratch, textPlace, answer, logitsPlace, probabilities } = this;
    this.must(kdb.kdb_classify(model, scratch, textPlace, answer, logitsPlace, probabilities));
    return this.read();
  }

  explain(texts) {
    const answer = this.classify(texts);
    const { kdb, model, scratch, textPlace, logitsPlace, weights } = this;
    const names = texts.map((text) => this.words(text));
    this.put(texts);
    const count = kdb.kdb_explain(model, scratch, textPlace, -1, this.answer, logitsPlace, weights);
    const found = Array.from(new Float64Array(kdb.memory.buffer, weights, count));
    let next = 0;
    const words = names.map((own) => own.map((word) => ({ word, weight: found[next++] })));
    return { answer, label: answer.label ?? this.likeliest(answer), words: texts.length > 1 ? words : words[0] };
  }

  ids(text) {
    this.put([text], 1);
    const { kdb, model, scratch, textPlace, idsPlace, maxTokens, answer } = this;
    const count = kdb.kdb_ids(model, scratch, textPlace, idsPlace, maxTokens, answer);
    return Array.from(new Uint32Array(kdb.memory.buffer, idsPlace, count));
  }

  words(text) {
    this.put([text], 1);
    const { kdb, model, scratch, textPlace, wordRoom } = this;
    let size = kdb.kdb_tokens(model, scratch, textPlace, wordRoom.place, wordRoom.size);
    if (size > wordRoom.size) {
      this.grow(wordRoom, size);
      size = kdb.kdb_tokens(model, scratch, textPlace, wordRoom.place, wordRoom.size);
    }
    return new TextDecoder().decode(this.bytes(wordRoom.place, size)).split("\n").slice(0, -1);
  }

  logits(texts) {
    this.classify(texts);
    return new Float32Array(this.kdb.memory.buffer, this.logitsPlace, this.classes).slice();
  }

  /** Answer the texts in the model file, and compare ids and bits of the logits with those in it. */
  checkGolden() {
    const { kdb, model, classes, golden: place } = this;
    const pointers = place + TEXT_SIZE * this.texts;
    const count = kdb.kdb_golden_count(model);
    const same = (one, other, size) => this.bytes(one, size).every((byte, at) => byte === this.bytes(other, size)[at]);
    for (let number = 0; number < count; number += this.texts) {
      let isRight = true, wanted;
      for (let at = 0; at < this.texts; at++) {
        const text = place + TEXT_SIZE * at;
        this.must(kdb.kdb_golden(model, number + at, text, pointers, pointers + 4, pointers + 8));
        const [ids, length, logits] = [0, 4, 8].map((offset) => this.view().getUint32(pointers + offset, true));
        const own = kdb.kdb_ids(model, this.scratch, text, this.idsPlace, this.maxTokens, this.answer);
        isRight = isRight && own === length && same(this.idsPlace, ids, 4 * length);
        wanted = logits;
      }
      this.must(kdb.kdb_classify(model, this.scratch, place, this.answer, this.logitsPlace, 0));
      if (!isRight || !same(this.logitsPlace, wanted, 4 * classes)) {
        throw new KdbuildError(`golden text ${number + 1} of ${count} is answered otherwise: the engine is broken here`);
      }
    }
    return count / this.texts;
  }

  /** The answer that the last call left. */
  read() {
    const view = this.view();
    const [place, tokens, unknown, truncated] = [0, 4, 8, 12].map((at) => view.getInt32(this.answer + at, true));
    const values = this.labels.map((_, label) => view.getFloat64(this.probabilities + 8 * label, true));
    const label = place < 0 ? null : this.labels[place];
    return {
      label,
      score: place < 0 ? Math.max(...values) : values[place],
      scores: Object.fromEntries(this.labels.map((name, at) => [name, values[at]])),
      labels: this.hasSeveralLabels ? this.givenLabels() : null,
      tokens,
      unknown,
      truncated: truncated !== 0,
    };
  }

  givenLabels() {
    this.kdb.kdb_given(this.model, this.logitsPlace, this.given);
    const given = this.bytes(this.given, this.classes);
    return this.labels.filter((_, at) => given[at] !== 0);
  }

  likeliest(answer) {
    return this.labels.reduce((best, name) => (answer.scores[name] > answer.scores[best] ? name : best));
  }

  /** Write texts where the engine reads them: as UTF-16, so that lone surrogates stay what they are. */
  put(texts, count = this.texts) {
    if (texts.length !== count) {
      const wanted = count === 2 ? "two texts" : "one text";
      throw new KdbuildError(`${texts.length} texts were given, and this model reads ${wanted} at a time`);
    }
    texts.forEach((text, at) => {
      if (typeof text !== "string") throw new KdbuildError(`a text must be a string, not ${typeof text}`);
      const room = this.rooms[at];
      if (room.size < 2 * text.length || room.size === 0) this.grow(room, 2 * Math.max(text.length, FIRST_UNITS));
      const units = new Uint16Array(this.kdb.memory.buffer, room.place, text.length);
      for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
      const view = this.view();
      [room.place, text.length, UTF16].forEach((value, i) => view.setUint32(this.textPlace + TEXT_SIZE * at + 4 * i, value, true));
    });
  }

  /** Give a room twice the size that it needs now: what it had is lost, so it mustn't happen often. */
  grow(room, size) {
    room.size = 2 * size;
    room.place = this.take(room.size);
  }

  take(size) {
    const place = Math.ceil(this.free / ALIGNMENT) * ALIGNMENT;
    this.free = place + size;
    const missing = this.free - this.kdb.memory.buffer.byteLength;
    if (missing > 0) this.kdb.memory.grow(Math.ceil(missing / PAGE));
    return place;
  }

  // Views are made anew for each use: those from before memory grew are empty.
  bytes(place, size) {
    return new Uint8Array(this.kdb.memory.buffer, place, size);
  }

  view() {
    return new DataView(this.kdb.memory.buffer);
  }

  string(place) {
    const all = new Uint8Array(this.kdb.memory.buffer);
    return new TextDecoder().decode(all.subarray(place, all.indexOf(0, place)));
  }

  must(code) {
    if (code !== OK) throw new KdbuildError(`the model file ${this.string(this.kdb.kdb_message(code))}`);
  }
}
