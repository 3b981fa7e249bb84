// Runs one model in llama.cpp and prints what it computed, as JSON on stdout. The tests' real client.
//
//   PRUNENET_LLAMA_CPP=FOLDER node llama.mjs MODEL.gguf REQUEST.json
//
// FOLDER is where install.sh put the package of node-llama-cpp (absent: the folder of this file). REQUEST.json, every
// part of it optional:
//   {"threads": 1, "cache": "f32" | "f16", "flash_attention": false | true | "auto", "check_tensors": true,
//    "context":    tokens that there is room for (absent: as many as the request needs; llama.cpp rounds up to 256s),
//    "score":      [{"ids": [1, 2, 3], "logits": "last" | "all" | "none"}],
//    "greedy":     [{"ids": [1, 2, 3], "tokens": 16}],
//    "tokenize":   [{"text": "Once", "special": false}],
//    "detokenize": [{"ids": [1, 2, 3], "special": false}],
//    "tokens":     true,
//    "speed":      {"prompt": 256, "generate": 64, "rounds": 3}}
// Ids go into llama.cpp as they are: nothing is put before or behind them.
//
// Answer: {"description", "info": what llama.cpp logged that it had read ("n_ff": "192"), "parameters", "model_bytes",
//   "bos", "eos", "adds_bos", "adds_eos", "vocabulary_kind", "seconds_to_load",
//   "score":  [{"token_nll": nats of ids[1], ids[2] ..., "nll_sum", "logits_last": one a token of the vocabulary,
//               "logits": the same for every position}],
//   "greedy": [{"ids": the continuation, "margins": how far the chosen logit was above the second}],
//   "tokenize": [ids], "detokenize": [texts], "tokens": [{"text", "attributes"}],
//   "speed":  {"prompt_s": [one a round], "token_s": [one a generated token of every round]}}
// What llama.cpp refuses: {"error": {"stage": "load" | "context" | "run", "message", "log": its own lines}}, status 0.
// A model that makes llama.cpp abort ends this process by a signal. Status 2: used wrongly, or not installed.
//
// The logits are llama.cpp's own f32 numbers, every position and the whole vocabulary: a greedy sampler hands them
// through. This calls the addon of node-llama-cpp without the layers above it (its version is pinned): they give the
// logits of sampled positions only, size the context by free memory, need node 20 and 110 packages more, and take 0.6 s
// to start.
import fs from "node:fs";
import {createRequire} from "node:module";
import path from "node:path";
import {fileURLToPath} from "node:url";

const maxBatch = 512;
const logWarning = 3, logInfo = 4;  // the addon's levels: fatal 1, error 2, warning 3, information 4
const vocabularyKinds = ["none", "spm", "bpe", "wpm", "ugm", "rwkv", "plamo2"];
const ggmlTypes = {f32: 0, f16: 1};

function usage(message) {
  process.stderr.write(`llama.mjs: ${message}\n`);
  process.exit(2);
}

/** The addon, its log going to `log`. */
async function openLlamaCpp(log) {
  const folder = process.env.PRUNENET_LLAMA_CPP || path.dirname(fileURLToPath(import.meta.url));
  const platform = `linux-${process.arch}`;
  const file = path.join(folder, "node_modules", "@node-llama-cpp", platform, "bins", platform, "llama-addon.node");
  if (!fs.existsSync(file)) usage(`llama.cpp is not installed (no ${file}): run tests/llama_cpp/install.sh`);
  const llama = createRequire(import.meta.url)(file);
  llama.setLogger((level, text) => log.push({level, text}));
  llama.setLoggerLogLevel(logInfo);
  llama.loadBackends();
  llama.loadBackends(path.dirname(file));
  await llama.init();
  return llama;
}

/** The log arrives through the event loop. */
const settleLog = () => new Promise((resolve) => setTimeout(resolve, 20));

class Refusal extends Error {
  constructor(stage, message) {
    super(message);
    this.stage = stage;
  }
}

class Model {
  constructor(bindings, request) {
    this.bindings = bindings;
    this.request = request;
  }

  async load(file) {
    const {AddonModel, AddonSampler} = this.bindings;
    this.model = new AddonModel(file, {
      addonExports: this.bindings, gpuLayers: 0, useMmap: true, checkTensors: this.request.check_tensors ?? true,
    });
    if (!await this.model.init()) throw new Refusal("load", "llama.cpp did not load the model");
    this.sampler = new AddonSampler(this.model);
    this.sampler.applyConfig({temperature: 0});
  }

  async openContext(tokens) {
    const cache = ggmlTypes[this.request.cache ?? "f32"];
    if (cache === undefined) usage(`no such type of the cache: ${this.request.cache}`);
    this.context = new this.bindings.AddonContext(this.model, {
      contextSize: Math.max(tokens, this.request.context ?? 0), batchSize: Math.min(tokens, maxBatch), sequences: 1, threads: this.request.threads ?? 1,
      flashAttention: this.request.flash_attention ?? false, kvCacheKeyType: cache, kvCacheValueType: cache,
    });
    if (!await this.context.init()) throw new Refusal("context", "llama.cpp did not create a context");
  }

  forget() {
    this.context.disposeSequence(0);
  }

  /** Appends ids at `position`; gives where the logits of the positions in `wanted` (relative to the ids) are. */
  async decode(ids, position, wanted) {
    this.context.initBatch(ids.length);
    const rows = this.context.addToBatch(0, position, Uint32Array.from(ids), Uint32Array.from(wanted));
    await this.context.decodeBatch();
    return rows;
  }

  /** The logits of a row, by token. */
  async logits(row) {
    const pairs = (await this.context.sampleToken(row, this.sampler, false, false, true))[3];
    if (pairs === undefined) throw new Refusal("run", "llama.cpp gave no logits");
    const values = new Float32Array(pairs.length / 2).fill(NaN);
    for (let i = 0; i < pairs.length; i += 2) values[pairs[i]] = pairs[i + 1];
    return values;
  }

  async score({ids, logits: wanted = "last"}) {
    this.forget();
    const result = {token_nll: [], nll_sum: 0};
    if (wanted === "all") result.logits = [];
    for (let start = 0; start < ids.length; start += maxBatch) {
      const chunk = ids.slice(start, start + maxBatch);
      const rows = await this.decode(chunk, start, chunk.keys());
      for (let i = 0; i < chunk.length; ++i) {
        const position = start + i, last = position + 1 === ids.length;
        const values = await this.logits(rows[i]);
        if (!last) result.token_nll.push(negativeLogProbability(values, ids[position + 1]));
        if (wanted === "all") result.logits.push(Array.from(values));
        if (last && wanted !== "none") result.logits_last = Array.from(values);
      }
    }
    result.nll_sum = result.token_nll.reduce((sum, value) => sum + value, 0);
    return result;
  }

  async greedy({ids, tokens}) {
    this.forget();
    const result = {ids: [], margins: []};
    let next = ids;
    for (let position = 0; result.ids.length < tokens;) {
      let row = 0;
      for (let start = 0; start < next.length; start += maxBatch) {
        const chunk = next.slice(start, start + maxBatch);
        row = (await this.decode(chunk, position, [chunk.length - 1]))[0];
        position += chunk.length;
      }
      const values = await this.logits(row);
      let best = 0;
      for (let i = 1; i < values.length; ++i) if (values[i] > values[best]) best = i;
      let second = -Infinity;
      for (let i = 0; i < values.length; ++i) if (i !== best) second = Math.max(second, values[i]);
      result.ids.push(best);
      result.margins.push(values[best] - second);
      next = [best];
    }
    return result;
  }

  /** Times a prompt in one go, then one token after the other. Any ids do: time does not depend on them. */
  async speed({prompt, generate, rounds = 1}, vocabulary) {
    const result = {prompt_s: [], token_s: []};
    const ids = Array.from({length: prompt + generate}, (_, i) => (i * 7919 + 13) % vocabulary);
    this.forget();
    await this.decode(ids.slice(0, 8), 0, [7]);  // every page of the file is in memory after that
    for (let round = 0; round < rounds; ++round) {
      this.forget();
      let start = performance.now();
      for (let position = 0; position < prompt; position += maxBatch) {
        const chunk = ids.slice(position, Math.min(prompt, position + maxBatch));
        await this.decode(chunk, position, [chunk.length - 1]);
      }
      result.prompt_s.push((performance.now() - start) / 1e3);
      for (let i = prompt; i < prompt + generate; ++i) {
        start = performance.now();
        await this.decode([ids[i]], i, [0]);
        result.token_s.push((performance.now() - start) / 1e3);
      }
    }
    return result;
  }
}

/** -log softmax(logits)[token], in nats. */
function negativeLogProbability(logits, token) {
  let largest = -Infinity;
  for (const value of logits) largest = Math.max(largest, value);
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - largest);
  return Math.log(sum) + largest - logits[token];
}

/** Tokens that the longest part of the request needs room for. */
function neededTokens(request) {
  let tokens = 0;
  for (const {ids} of request.score ?? []) tokens = Math.max(tokens, ids.length);
  for (const {ids, tokens: more} of request.greedy ?? []) tokens = Math.max(tokens, ids.length + more);
  if (request.speed) tokens = Math.max(tokens, request.speed.prompt + request.speed.generate);
  return tokens;
}

/** What llama.cpp says that it read: lines "print_info: n_ff = 192". */
function readInfo(log) {
  const info = {};
  for (const line of log.map(({text}) => text).join("").split("\n")) {
    const found = /^print_info:\s*(.+?)\s*=\s*(.*?)\s*$/.exec(line);
    if (found) info[found[1]] = found[2];
  }
  return info;
}

/** Puts the answer on stdout. NaN and infinities, which JSON does not have, become null. */
const answer = (value) => fs.writeFileSync(1, JSON.stringify(value) + "\n");

async function main() {
  const [file, requestFile] = process.argv.slice(2);
  if (requestFile === undefined || process.argv.length !== 4) usage("usage: llama.mjs MODEL.gguf REQUEST.json");
  const request = JSON.parse(fs.readFileSync(requestFile, "utf8"));
  const log = [];
  const model = new Model(await openLlamaCpp(log), request);
  try {
    const result = {};
    const start = performance.now();
    await model.load(path.resolve(file));
    result.seconds_to_load = (performance.now() - start) / 1e3;
    await settleLog();
    const addon = model.model;
    result.description = addon.getModelDescription();
    result.info = readInfo(log);
    result.parameters = addon.getTotalParameters();
    result.model_bytes = addon.getModelSize();
    result.bos = addon.tokenBos();
    result.eos = addon.tokenEos();
    result.adds_bos = addon.shouldPrependBosToken();
    result.adds_eos = addon.shouldAppendEosToken();
    result.vocabulary_kind = vocabularyKinds[addon.getVocabularyType()] ?? "unknown";
    const vocabulary = Number(result.info["n_vocab"]);
    for (const part of [...(request.score ?? []), ...(request.greedy ?? [])]) {
      const bad = part.ids.find((id) => !(id >= 0 && id < vocabulary));
      if (bad !== undefined) throw new Refusal("run", `id ${bad} is not in a vocabulary of ${vocabulary}`);
      if (part.ids.length === 0) throw new Refusal("run", "no ids");
    }
    if (request.tokenize) {
      result.tokenize = request.tokenize.map(({text, special = false}) => Array.from(addon.tokenize(text, special)));
    }
    if (request.detokenize) {
      result.detokenize = request.detokenize.map(
        ({ids, special = false}) => addon.detokenize(Uint32Array.from(ids), special));
    }
    if (request.tokens) {
      result.tokens = Array.from({length: vocabulary}, (_, id) => (
        {text: addon.getTokenString(id), attributes: addon.getTokenAttributes(id)}));
    }
    const tokens = neededTokens(request);
    if (tokens > 0) await model.openContext(tokens);
    for (const part of ["score", "greedy"]) {
      if (request[part]) {
        result[part] = [];
        for (const one of request[part]) result[part].push(await model[part](one));
      }
    }
    if (request.speed) result.speed = await model.speed(request.speed, vocabulary);
    answer(result);
  } catch (error) {
    if (error instanceof TypeError || error instanceof ReferenceError) throw error;  // a defect of this file
    await settleLog();
    const lines = log.filter(({level}) => level <= logWarning).map(({text}) => text.trim());
    answer({error: {stage: error.stage ?? "run", message: error.message, log: lines}});
  }
  process.exit(0);
}

await main();
