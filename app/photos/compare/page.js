"use strict";
const stages = [...document.querySelectorAll(".stage")].map((stage) => ({
  stage,
  pan: stage.querySelector(".pan"),
  slider: stage.parentElement.querySelector("input"),
}));

const slides = ({ pan }) => pan.scrollWidth > pan.clientWidth + 1 || pan.scrollHeight > pan.clientHeight + 1;

// The line stands still in the window while the picture moves under it.
function draw({ stage, pan, slider }) {
  stage.style.setProperty("--cut", `${slider.value}%`);
  slider.setAttribute("aria-valuetext", `${slider.value} % before, ${100 - slider.value} % after`);
  if (pan.scrollWidth > pan.clientWidth + 1) {
    stage.style.setProperty("--at", `${pan.scrollLeft + (slider.value * stage.clientWidth) / 100}px`);
  } else stage.style.removeProperty("--at");
}

// A window is a stop of the tab key only where there is more than it shows.
function fit(one) {
  if (slides(one)) one.pan.tabIndex = 0;
  else one.pan.removeAttribute("tabindex");
  draw(one);
}

for (const one of stages) {
  const { stage, pan, slider } = one;
  const follow = (event) => {
    const edge = stage.getBoundingClientRect();
    slider.value = (100 * (event.clientX - edge.left)) / edge.width;
    draw(one);
  };
  slider.addEventListener("input", () => draw(one));
  pan.addEventListener("scroll", () => draw(one), { passive: true });
  pan.addEventListener("pointerdown", (event) => {
    if (event.button || (event.pointerType !== "mouse" && slides(one))) return; // a finger moves the picture
    const edge = pan.getBoundingClientRect();
    if (event.clientX - edge.left > pan.clientWidth || event.clientY - edge.top > pan.clientHeight) return; // scroll bars
    pan.setPointerCapture(event.pointerId);
    follow(event);
  });
  pan.addEventListener("pointermove", (event) => pan.hasPointerCapture(event.pointerId) && follow(event));
}

// Between two pixels of the screen a detail would be blurred at its edges: it is moved to the nearest one.
function settle() {
  const details = stages.filter(({ stage }) => stage.closest(".detail")).map(({ stage }) => stage);
  for (const stage of details) stage.style.left = stage.style.top = "0";
  const off = (place) => Math.round(place * devicePixelRatio) / devicePixelRatio - place;
  const places = details.map((stage) => stage.getBoundingClientRect());
  details.forEach((stage, i) => {
    stage.style.left = `${off(places[i].x + scrollX)}px`;
    stage.style.top = `${off(places[i].y + scrollY)}px`;
  });
}

function fitAll() {
  stages.forEach(fit);
  settle();
}

fitAll();
const refit = () => requestAnimationFrame(fitAll);
window.addEventListener("resize", refit);
for (const choice of document.querySelectorAll("input[name=zoom]")) choice.addEventListener("change", refit);
