"use strict";

// Keeps the page as its node sees the cluster. All that it writes is text.
const page = document.querySelector("main");
const live = document.getElementById("live");
const rows = document.querySelectorAll("tbody tr");
const patience = 15000; // the node says something every few seconds
let source;
let last = Date.now(); // when it last did

function put(element, text) {
  if (element.textContent !== text) element.textContent = text; // who reads aloud reads changes
}

function show(view) {
  if (view.rows.length !== rows.length || view.rows.some((row, i) => row.name !== rows[i].dataset.name)) {
    location.reload();
    return;
  }
  document.title = view.title;
  put(document.getElementById("summary"), view.summary);
  view.rows.forEach((row, i) => row.cells.forEach((cell, j) => {
    const td = rows[i].querySelectorAll("td")[j];
    td.dataset.mark = cell.mark;
    put(td.querySelector(".sign"), cell.sign);
    put(td.querySelector(".text"), cell.text);
  }));
}

function heard() {
  last = Date.now();
  page.classList.remove("old");
  live.textContent = "Live, " + new Date(last).toLocaleTimeString();
}

function old() {
  page.classList.add("old");
  put(live, "No news since " + new Date(last).toLocaleTimeString() + ": what is shown is old. Trying again.");
}

function watch() {
  source = new EventSource("events");
  source.onmessage = (event) => { heard(); show(JSON.parse(event.data)); };
  source.addEventListener("same", heard);
  source.onerror = old;
}

// A node that has lost its power does not say so.
setInterval(() => {
  if (Date.now() - last < patience) return;
  old();
  source.close();
  watch();
}, patience);
watch();
