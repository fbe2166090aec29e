// Keeps the live page up to date: the server says that something happened, the page asks for its rows.
(() => {
	"use strict";
	const rows = document.getElementById("rows");
	const state = document.getElementById("stream-state");
	if (!rows || !state) return;
	let busy = false;
	let again = false;
	async function refresh() {
		if (busy) {
			again = true;
			return;
		}
		busy = true;
		try {
			const answer = await fetch("/console/live/rows", { headers: { Accept: "text/html" } });
			if (answer.status === 401) {
				location.reload();
				return;
			}
			if (answer.ok) {
				const focused = document.activeElement && rows.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
				const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
				rows.replaceChildren(...parsed.body.childNodes);
				if (focused) rows.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
			}
		} catch {
			// The stream says when the server is back.
		} finally {
			busy = false;
			if (again) {
				again = false;
				setTimeout(refresh, 250);
			}
		}
	}
	const source = new EventSource("/console/live/stream");
	source.addEventListener("open", () => { state.textContent = "live"; refresh(); });
	source.addEventListener("changed", refresh);
	source.addEventListener("error", () => { state.textContent = "reconnecting"; });
	setInterval(refresh, 15000);
})();
