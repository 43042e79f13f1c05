"use strict";
const by = (id) => document.getElementById(id);
by("address").textContent = location.origin;
const predict = new URL("predict", location.origin + location.pathname); // which a password in the address would spoil
by("ask").addEventListener("click", async () => {
  const headers = { "Content-Type": "application/json" };
  if (by("token").value) headers.Authorization = "Bearer " + by("token").value;
  by("answer").textContent = "…";
  try {
    const reply = await fetch(predict, { method: "POST", headers, body: by("row").value });
    const text = await reply.text();
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
    by("answer").textContent = reply.ok ? shown : reply.status + "\n" + shown;
  } catch (error) {
    by("answer").textContent = "No answer: " + error.message;
  }
});
