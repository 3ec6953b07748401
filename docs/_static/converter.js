// The converter on the page of the conventions. Its data, CONVERTER, are written by docs/converter_data.py.

const TOO_STRONG = "It would remove whole weights in every update.";

// As skl2net.l2.long_run_share: the share of a weight that an update removes in the long run.
function longRunShare(shrink, momentum, nesterov) {
  const trace = nesterov ? (1 + momentum) * (1 - shrink) : 1 + momentum - shrink;
  const determinant = nesterov ? momentum * (1 - shrink) : momentum;
  const discriminant = trace ** 2 - 4 * determinant;
  if (discriminant < 0) return 1 - Math.sqrt(Math.max(determinant, 0));
  const root = Math.sqrt(discriminant);
  return trace >= 0 ? shrink / (1 - (trace - root) / 2) : 1 - (root - trace) / 2;
}

// Its inverse; NaN if no penalty removes so large a share.
function shrinkOfShare(share, momentum, nesterov) {
  const kept = 1 - share;
  if (nesterov && share > (1 - momentum) / (1 + momentum)) return 1 - kept ** 2 / momentum;
  if (nesterov) return (share * (kept - momentum)) / (kept - momentum * share);
  return share > 1 - Math.sqrt(momentum) ? NaN : (share * (kept - momentum)) / kept;
}

function evaluate([constant, powers], quantities) {
  const value = (name) => (name === "1 - momentum" ? 1 - quantities.momentum : quantities[name]);
  return Object.entries(powers).reduce((product, [name, power]) => product * value(name) ** power, constant);
}

// What a pair of conventions needs: its answer after the choices that were made, or the next choice.
function findAnswer(source, target, choices) {
  let answer = CONVERTER.pairs[source][target];
  const chosen = [];
  while (answer.choose) {
    chosen.push(answer.choose);
    answer = answer[choices[answer.choose]];
  }
  return { answer, chosen };
}

// The number in the target's convention, and the texts that belong to it; an error if there is none.
function convert(answer, quantities, source, target) {
  if ("error" in answer) return { error: CONVERTER.texts[answer.error] };
  const n = quantities.n_samples, batch = quantities.batch_size ?? answer.batch_size;
  const hasBoth = answer.needs.includes("n_samples") && answer.needs.includes("batch_size");
  if (hasBoth && batch > n) return { error: "A batch cannot have more samples than there are training samples." };
  const all = { ...quantities, batch_size: batch, updates_per_epoch: Math.ceil(n / batch) };
  const share = source.share && evaluate(source.share, all);
  if (share >= 1) return { error: TOO_STRONG };  // NaN if it depends on what the conversion does not need
  const rest = hasBoth && n % batch ? "r" : "";
  const one = `case${rest}1` in answer && quantities.n_outputs === 1 ? "1" : "";
  const found = answer[`case${quantities.momentum ? "m" : ""}${rest}${one}`];
  if ("none" in found) return { error: `No equivalent: ${CONVERTER.texts[found.none]}.` };
  const ceiled = found.updates ? (Math.ceil(n / batch) / (n / batch)) ** found.updates : 1;
  const numbers = found.formulas.map((formula) => evaluate(formula, quantities));
  numbers[0] *= ceiled;
  if ("nesterov" in answer && quantities.momentum) {
    const { momentum } = quantities, { nesterov } = answer;
    const [without] = answer[`case${rest}${one}`].formulas;
    if (answer.dampened) all.learning_rate *= 1 - momentum;
    const plain = evaluate(without, all) * ceiled;
    if (target.share) {
      const shrink = evaluate(target.share, { ...all, λ: plain });
      if (shrink >= (2 * (1 + momentum)) / (1 + 2 * momentum * nesterov)) {
        return { error: "Under so strong a penalty, weights grow without bound." };
      }
      const removed = longRunShare(shrink, momentum, nesterov);
      if (removed >= 1) return { error: TOO_STRONG };
      numbers[0] = plain * (removed / shrink) ** target.share[1].λ;
    } else {
      const shrink = shrinkOfShare(share, momentum, nesterov);
      if (Number.isNaN(shrink)) return { error: "No penalty removes so large a share under this momentum." };
      const λ = quantities.λ * (shrink / share) ** source.share[1].λ;
      numbers[0] = evaluate(without, { ...all, λ }) * ceiled;
    }
  }
  if (!Number.isFinite(numbers[0])) return { error: "The result is out of range." };
  const shown = numbers.map((number) => String(Number(number.toPrecision(12))));
  const texts = found.texts.map((i) => CONVERTER.texts[i].replace(/⟨(\d+)⟩/g, (_, place) => shown[place]));
  const [, rate, claim, reason, conditions, code] = texts;
  return { number: numbers[0], isExact: Boolean(found.exact), rate, claim, reason, conditions, code };
}

// What is shown of a result, as elements.
function items(result, target) {
  const element = (tag, text, parent) => {
    const made = document.createElement(tag);
    made.textContent = text;
    parent?.append(made);
    return made;
  };
  if (result.error) return [element("p", result.error)];
  const head = element("p", "");
  element("strong", `λ = ${Number(result.number.toPrecision(6))}`, head);
  head.append(` in ${target.name}, `);
  element("em", result.isExact ? "exactly" : "though not exactly", head);
  head.append(`: ${result.claim}.`);
  const list = document.createElement("dl");
  const facts = { "Why not exactly": result.reason, "Learning rate there": result.rate, "This holds if": result.conditions };
  for (const [name, text] of Object.entries(facts)) {
    if (text !== "–") {
      element("dt", name, list);
      element("dd", text, list);
    }
  }
  return [head, list, ...(result.code ? [element("pre", result.code)] : [])];
}

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("alpha-converter");
  const { source, target, alpha } = form.elements;
  for (const [select, name] of [[source, "sklearn.MLP"], [target, "torch.SGD"]]) {
    const groups = new Map();
    CONVERTER.conventions.forEach(({ name: label, library }, i) => {
      if (!groups.has(library)) {
        const group = document.createElement("optgroup");
        group.label = library;
        groups.set(library, select.appendChild(group));
      }
      groups.get(library).append(new Option(label, i, false, label === name));
    });
  }
  const output = form.querySelector("output");
  const labels = Object.fromEntries([...form.querySelectorAll("label[data-name]")].map((e) => [e.dataset.name, e]));

  function show() {
    const choices = { solver: form.elements.solver.value, loss: form.elements.loss.value };
    const { answer, chosen } = findAnswer(source.value, target.value, choices);
    const needed = [...chosen, ...(answer.needs ?? [])];
    for (const [name, label] of Object.entries(labels)) label.hidden = !needed.includes(name);
    const quantities = { λ: alpha.valueAsNumber };
    for (const name of answer.needs ?? []) quantities[name] = form.elements[name].valueAsNumber;
    const conventions = [source, target].map((select) => CONVERTER.conventions[select.value]);
    const fields = [alpha, ...(answer.needs ?? []).map((name) => form.elements[name])];
    const invalid = fields.find((field) => !field.checkValidity());
    const label = invalid?.closest("label").firstChild.textContent.trim();
    const result = invalid ? { error: `${label}: ${invalid.validationMessage}` } : convert(answer, quantities, ...conventions);
    output.replaceChildren(...items(result, conventions[1]));
  }
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.querySelector("button").addEventListener("click", () => {
    [source.value, target.value] = [target.value, source.value];
    show();
  });
  show();
});
