// Enrols this browser, and shows what comes while the page is open.
"use strict";

const KEPT = "bellboard";
const API = "../v1/browsers";
const AGAIN_AFTER_MS = 3000;
const LISTED_MAX = 50;
const SUBSCRIBE_TIME_MAX_MS = 8000;

const element = (id) => document.getElementById(id);
const show = (id, shown) => (element(id).hidden = !shown);
const saved = () => JSON.parse(localStorage.getItem(KEPT) || "null");

function say(text, bad = false) {
  element("status").textContent = text;
  element("status").classList.toggle("bad", bad);
}

/** Asks the server; an error is its own sentence. */
async function ask(path, method, body, access) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (access) headers.authorization = `Bearer ${access}`;
  const answer = await fetch(API + path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(problem.detail || `The server answered ${answer.status}.`), { status: answer.status });
  }
  return answer.status === 200 || answer.status === 201 ? answer.json() : null;
}

function bytes(base64url) {
  const text = atob(base64url.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(text, (sign) => sign.charCodeAt(0));
}

function agent() {
  const of = navigator.userAgent;
  const name = ["Edg", "OPR", "Firefox", "Chrome", "Safari"].find((word) => of.includes(`${word}/`)) || "a browser";
  const names = { Edg: "Edge", OPR: "Opera" };
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "CrOS", "Linux"].find((word) => of.includes(word));
  return (names[name] || name) + (system ? ` on ${system}` : "");
}

/** The push subscription, or nothing where the browser has no push service. */
async function subscribe(registration, key) {
  if (!key || !registration.pushManager) return null;
  try {
    const old = await registration.pushManager.getSubscription();
    if (old) await old.unsubscribe();
    const asked = registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) });
    // Where the push service cannot be reached, some browsers ask it again and again and never give up.
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error("it does not answer")), SUBSCRIBE_TIME_MAX_MS));
    return (await Promise.race([asked, late])).toJSON();
  } catch (error) {
    console.info("no push service:", error.message);
    return null;
  }
}

async function enrol(code, offer) {
  element("enrol").disabled = true;
  try {
    if ((await Notification.requestPermission()) !== "granted") {
      say("The browser was not allowed to notify you. Allow it in the site's settings, then press the button again.", true);
      return;
    }
    say("Asking the browser's push service…");
    const registration = await worker();
    const subscription = await subscribe(registration, offer.application_server_key);
    const made = await ask("", "POST", { code, subscription, agent: agent() });
    localStorage.setItem(KEPT, JSON.stringify({ access: made.access, account: made.account, push: !!subscription }));
    history.replaceState(null, "", location.pathname);
    enrolled();
  } catch (error) {
    say(error.message, true);
  } finally {
    element("enrol").disabled = false;
  }
}

async function worker() {
  await navigator.serviceWorker.register("worker.js");
  return navigator.serviceWorker.ready;
}

function list(notice) {
  const row = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = new Date(notice.timestamp).toLocaleString();
  const title = document.createElement("strong");
  title.textContent = notice.title;
  const body = document.createElement("div");
  body.textContent = notice.body;
  row.append(title, document.createElement("br"), body, time);
  element("list").prepend(row);
  while (element("list").children.length > LISTED_MAX) element("list").lastElementChild.remove();
}

async function shown(access, notice) {
  const registration = await worker();
  await registration.showNotification(notice.title, {
    body: notice.body,
    tag: notice.tag,
    timestamp: notice.timestamp,
    data: notice,
  });
  list(notice);
  await ask("/current/shown", "POST", { delivery: notice.delivery }, access);
}

/** Reads server-sent events. By `fetch`, since `EventSource` cannot say who asks. */
async function read(access, body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const lines = event.split("\n");
      const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
      if (data && !lines.includes("event: hello")) await shown(access, JSON.parse(data));
    }
  }
}

async function follow(access) {
  while (saved()?.access === access) {
    try {
      const answer = await fetch(`${API}/current/stream`, { headers: { authorization: `Bearer ${access}` } });
      if (answer.status === 401 || answer.status === 404) {
        localStorage.removeItem(KEPT);
        show("test", false);
        show("leave", false);
        say("This browser is not enrolled any more. Ask support for a new link.", true);
        return;
      }
      if (answer.ok) {
        element("status").dataset.connected = "yes";
        await read(access, answer.body);
      }
    } catch (error) {
      console.info("the connection ended:", error.message);
    }
    delete element("status").dataset.connected;
    await new Promise((done) => setTimeout(done, AGAIN_AFTER_MS));
  }
}

function enrolled() {
  const { access, account, push } = saved();
  say(`This browser is notified for ${account}.`);
  show("explain", false);
  show("enrol", false);
  show("only-open", !push);
  show("test", true);
  show("leave", true);
  element("test").onclick = async () => {
    try {
      await ask("/current/test", "POST", undefined, access);
    } catch (error) {
      say(error.message, true);
    }
  };
  element("leave").onclick = async () => {
    try {
      await ask("/current", "DELETE", undefined, access);
    } catch (error) {
      if (error.status !== 401 && error.status !== 404) {
        say(error.message, true);
        return;
      }
    }
    localStorage.removeItem(KEPT);
    const registration = await navigator.serviceWorker.getRegistration();
    const subscription = await registration?.pushManager?.getSubscription();
    await subscription?.unsubscribe();
    for (const id of ["test", "leave", "only-open"]) show(id, false);
    say("This browser is not notified any more. Ask support for a new link if you change your mind.");
  };
  follow(access);
}

async function start() {
  if (!("serviceWorker" in navigator) || !("Notification" in window)) {
    say("This browser cannot show notifications here. Open the link over https, in another browser.", true);
    return;
  }
  const code = decodeURIComponent(location.hash.slice(1));
  if (!code) {
    if (saved()) return enrolled();
    say("Ask support for a link to be notified in this browser.");
    return;
  }
  try {
    const offer = await ask("/offer", "POST", { code });
    say(`This link is for ${offer.account}.`);
    show("explain", true);
    show("enrol", true);
    element("enrol").onclick = () => enrol(code, offer);
  } catch (error) {
    say(error.message, true);
    if (saved()) enrolled();
  }
}

start();
