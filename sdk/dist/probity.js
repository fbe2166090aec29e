// device.ts
var d = "probity_choice";
var c = () => {
  try {
    return localStorage[d] || "";
  } catch {
    return "";
  }
};
var a = () => c().split(".")[1]?.split(",").filter((t) => t != "n") || [], i = () => Date.now() - Date.parse(c().slice(-8).replace(/(....)(..)/, "$1-$2-")) < 157248e5;

// probity.ts
var n = () => typeof document > "u" ? null : window, o, m = (t) => {
  if (!n()) return Promise.resolve();
  let e = new URL("/journey/sdk/js/web/v1/ac.js", t.host || import.meta.url);
  return e.searchParams.set("deployment", t.deployment), t.lang && e.searchParams.set("lang", t.lang), o ||= import(
    /* webpackIgnore: true */
    e.href
  ).catch((r) => {
    throw o = void 0, r;
  }), o.then(() => {
  });
}, s = (...t) => {
  let e = n();
  if (e)
    return e.ac ||= Object.assign((...r) => {
      (e.ac.q ||= []).push(r);
    }, { q: [] }), e.ac(...t);
}, h = (t = {}) => s("pageview", t), w = (t, e = {}) => s("record", t, e), f = (t, e = {}) => s("identify", t, e), l = async (t) => {
  await o;
  let e = document.createElement("button");
  e.dataset.privacyChoices = t, e.hidden = !0, document.body.append(e), e.click(), e.remove();
}, p = {
  /** Ids of the purposes that are granted on this device and still hold; empty on a server. The server decides again. */
  granted: () => n() && i() ? a() : [],
  /** Opens the privacy choices. */
  open: () => l(""),
  /** Takes everything back, at once. */
  withdraw: () => l("withdraw"),
  /** Calls back with what is granted after every choice, in this tab or another; returns what ends that. */
  onChange: (t) => {
    if (!n()) return () => {
    };
    let e = new BroadcastChannel("probity");
    return e.onmessage = () => t(p.granted()), () => e.close();
  }
};
export {
  s as ac,
  p as consent,
  f as identify,
  m as init,
  h as pageview,
  w as record
};
