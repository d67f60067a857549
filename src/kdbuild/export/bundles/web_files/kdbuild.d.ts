/** What is wrong with a model, or with what it was asked. */
export class KdbuildError extends Error {}

/** What a classifier says of a text. */
export interface Answer {
  /** The label with the highest score; null where it is below the threshold, or where a text may have several and is given none. */
  label: string | null;
  /** Its probability, 0 to 1; the highest of all where no label is given. */
  score: number;
  /** The probability of each label. */
  scores: Record<string, number>;
  /** All labels that are given, where a text may have several; else null. */
  labels: string[] | null;
  /** How many tokens were read, and how many of them the model doesn't know. */
  tokens: number;
  unknown: number;
  /** Whether the text had more tokens than the model reads. */
  truncated: boolean;
}

/** A word, and how much the label's probability falls when it is masked, -1 to 1. */
export interface WeightedWord {
  word: string;
  weight: number;
}

/** Which words an answer hangs on. */
export interface Explanation {
  answer: Answer;
  /** The label that is explained: the answer's, or the likeliest where there is none. */
  label: string;
  /** The words that were read; of a pair of texts, two lists. */
  words: WeightedWord[] | WeightedWord[][];
}

/** A model, as a function from a text, or from two where it reads pairs, to an answer. Nothing it is given leaves the machine. */
export interface Classify {
  (...texts: string[]): Answer;
  explain(...texts: string[]): Explanation;
  /** The words of a text that are read. */
  words(text: string): string[];
  /** The token ids of a text. */
  ids(text: string): number[];
  /** The logits, one a label, before calibration. */
  logits(...texts: string[]): Float32Array;
  /** Answer the golden texts, or pairs, in the model file; throws unless all bits are those in it. Returns how many there are. */
  checkGolden(): number;
  readonly labels: readonly string[];
  /** Texts of a call: 1, or 2. */
  readonly texts: number;
  /** Tokens that are read of a text. */
  readonly maxTokens: number;
  /** The probability below which no label is given; 0: there is none. */
  readonly threshold: number;
  /** The model's, 16 hexadecimal digits. */
  readonly version: string;
  /** The instructions that answer: "wasm-simd" or "plain". */
  readonly path: string;
  /** Bytes of memory that engine and model have now. */
  readonly memory: number;
}

export interface LoadOptions {
  /** The engine's URL, bytes or module; by default the file beside this module that suits the machine. */
  wasm?: string | URL | ArrayBuffer | ArrayBufferView | WebAssembly.Module;
  /** Whether every byte of the model is checked first; by default true. */
  verify?: boolean;
  /** The public key of who must have signed the model: PEM text, or DER's bytes. Needs crypto.subtle: https or localhost. */
  publicKey?: string | ArrayBuffer | ArrayBufferView;
}

export const Classifier: {
  /** Load a model from a URL or from its bytes; by default model_int8.kdb beside this module. */
  load(source?: string | URL | ArrayBuffer | ArrayBufferView, options?: LoadOptions): Promise<Classify>;
};

/** Whether WebAssembly has vectors here. */
export function hasSimd(): boolean;
