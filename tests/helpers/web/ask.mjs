// Answers texts with a bundle for the web: node ask.mjs BUNDLE ENGINE TEXTS; texts and answers are JSON.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [, , bundle, engine, texts] = process.argv;
const folder = pathToFileURL(`${bundle}/`);
const { Classifier } = await import(new URL("kdbuild.js", folder));
const classify = await Classifier.load(undefined, engine ? { wasm: new URL(engine, folder) } : {});
const answers = JSON.parse(readFileSync(texts)).map((text) => ({
  ...classify(text),
  ids: classify.ids(text),
  words: classify.words(text),
  logits: Array.from(classify.logits(text)),
  weights: text.length < 60 ? classify.explain(text).words.map(({ weight }) => weight) : [],
}));
const { path, version, labels, maxTokens, threshold } = classify;
console.log(JSON.stringify({ path, version, labels, maxTokens, threshold, golden: classify.checkGolden(), answers }));
