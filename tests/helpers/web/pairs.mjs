// Answers pairs of texts with a bundle for the web: node pairs.mjs BUNDLE PAIRS; pairs and answers are JSON.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [, , bundle, pairs] = process.argv;
const { Classifier } = await import(new URL("kdbuild.js", pathToFileURL(`${bundle}/`)));
const classify = await Classifier.load();
const answers = JSON.parse(readFileSync(pairs)).map((pair) => ({
  ...classify(...pair),
  weights: classify.explain(...pair).words.map((words) => words.map(({ weight }) => weight)),
}));
console.log(JSON.stringify({ texts: classify.texts, golden: classify.checkGolden(), answers }));
