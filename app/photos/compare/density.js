"use strict";
// One pixel of a detail is one of the screen. Set before anything is drawn, so that nothing moves.
const density = () => document.documentElement.style.setProperty("--dpr", window.devicePixelRatio);
density();
window.addEventListener("resize", density);
