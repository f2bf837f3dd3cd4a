// Starting a run.
import {get, loadSession, post} from "../api.js";
import {h, notice, show} from "../dom.js";
export async function open({go, current, query}) {
  const session = await loadSession();
  if (!session.control) { show("Start", h("h1", {}, "Start a run"), h("p", {}, "This page only shows. ", h("code", {}, "piswarm serve --control"), " lets runs be started.")); return; }
  const [{scenarios}, {runs}, {job}] = await Promise.all([get("/api/scenarios"), get("/api/runs"), get("/api/job")]);
  if (!current()) return;
  const said = h("pre", {role: "status", hidden: true}), running = runs.find(run => run.state === "running" || run.state === "starting");
  const say = text => { said.hidden = !text; said.textContent = text; };
  const field = (label, name, attributes) => h("label", {}, label, h("input", {name, ...attributes}));
  const form = h("form", {class: "grid", onsubmit: event => { event.preventDefault(); act(event.submitter.value); }},
    h("label", {}, "Scenario", h("select", {name: "scenario", required: true}, scenarios.map(name => h("option", {selected: name === (query.get("scenario") ?? "swarm.yml")}, name)))),
    field("Users", "users", {inputmode: "numeric", pattern: "[0-9]+", placeholder: "as in the scenario"}), field("Rate (open model)", "rate", {placeholder: "such as 500/s"}), field("Most users (open model)", "max_users", {inputmode: "numeric", pattern: "[0-9]+"}),
    field("Duration", "duration", {placeholder: "such as 90s or 20m"}), field("Simulated nodes", "nodes", {inputmode: "numeric", pattern: "[0-9]+", placeholder: "as in the scenario"}),
    h("label", {}, "Compare with", h("select", {name: "baseline"}, h("option", {value: ""}, "nothing"), runs.filter(run => run.state === "ended" && run.verdict).map(run => h("option", {value: run.id}, run.id)))),
    h("div", {class: "bar"}, h("button", {type: "submit", value: "check"}, "Check"), h("button", {type: "submit", value: "start", class: "main", disabled: Boolean(running)}, "Start")));
  async function act(what) {
    const launch = {};
    for (const [name, text] of new FormData(form)) if (text) launch[name] = ["users", "max_users", "nodes"].includes(name) ? Number(text) : text;
    for (const button of form.querySelectorAll("button")) button.disabled = true;
    say("Checking …");
    try {
      const found = await post("/api/check", launch);
      if (!current()) return;
      say(found.said || (found.ok ? "This can be started." : "This can't be started."));
      if (found.ok && what === "start") { const {run} = await post("/api/runs", launch); await begun(run); }
    } catch (error) { say(error.message); }
    for (const button of form.querySelectorAll("button")) button.disabled = false;
  }
  async function begun(run) {
    say("The fleet starts …");
    while (current()) {
      const [{job}, {runs}] = await Promise.all([get("/api/job"), get("/api/runs")]);
      if (runs.some(row => row.id === run && row.state !== "starting")) { go(`/runs/${encodeURIComponent(run)}`); return; }
      if (job && job.run === run) { say(job.output.slice(-12).join("\n") || "The fleet starts …"); if (!job.on) { notice("The run was not started."); return; } }
      await new Promise(done => setTimeout(done, 700));
    }
  }
  show("Start", h("h1", {}, "Start a run"), running ? h("p", {}, h("a", {href: `/runs/${encodeURIComponent(running.id)}`}, running.id), " is on: one run at a time. Wait for its end, or stop it.") : null, form, said,
    job && !job.on && job.exit_status > 1 ? h("details", {}, h("summary", {}, `What ${job.run} printed last (exit status ${job.exit_status})`), h("pre", {}, job.output.join("\n"))) : null);
}
