const ENOUGH = 2; // milliseconds that are timed at least: a browser's clock is coarse

let classify;

self.onmessage = async ({ data }) => {
  try {
    if (data.model) {
      classify = await Classifier.load(data.model, { wasm: hasSimd() ? data.simd : data.plain });
      const { labels, texts, maxTokens, version, path } = classify;
      self.postMessage({ ready: { labels, texts, maxTokens, version, path, golden: classify.checkGolden() } });
    } else {
      self.postMessage({ ...timed(data.texts), explanation: classify.explain(...data.texts) });
    }
  } catch (error) {
    self.postMessage({ error: error.message });
  }
};

function timed(texts) {
  const started = performance.now();
  let answer, calls = 0, passed;
  do {
    answer = classify(...texts);
    calls++;
    passed = performance.now() - started;
  } while (passed < ENOUGH);
  return { answer, microseconds: (1000 * passed) / calls };
}
