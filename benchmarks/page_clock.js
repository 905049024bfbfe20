// Put into the page before its own scripts: times by the page's own clock, from an event to the frame that shows what it did.
//
//   clock.opened            promise of {pictures, map}: ms from the start of the navigation until they were painted
//   clock.next()            promise of the ms that the next key or click takes; resolves once the page is quiet
//   clock.run(action)       the same for a function, for what no key or click does
//
// A frame's end is taken by a message that is posted from its animation callbacks: the browser delivers it when the
// frame is laid out and painted. What an event did is shown at the end of the first frame in which all pictures in
// sight are decoded, or of the last one in which the map was drawn (Bokeh clears its canvas before), whichever is later.

(() => {
  const QUIET_MS = 200;
  const LIMIT_MS = 5000; // what is not shown by then never will be
  let drawn = false;
  const { clearRect } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.clearRect = function clear(...box) {
    drawn = true;
    return clearRect.apply(this, box);
  };

  const overlap = (a, b) => a.width > 0 && a.left < b.right && a.right > b.left && a.top < b.bottom && a.bottom > b.top;
  const inSight = (image) => {
    const box = image.getBoundingClientRect();
    const frame = document.querySelector("#gallery").getBoundingClientRect();
    const screen = { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
    return overlap(box, screen) && (overlap(box, frame) || !image.closest("#gallery"));
  };
  const picturesThere = () =>
    [...document.querySelectorAll("#card img, #gallery img")].filter(inSight).every((image) => image.src && image.complete);

  // One frame: look(), called before it is painted, and when it was.
  const frame = (look) => new Promise((done) => {
    requestAnimationFrame(() => {
      const seen = look();
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => done([seen, performance.now()]);
      port2.postMessage(0);
    });
  });

  async function shownAfter(start) {
    drawn = false;
    let end = 0;
    for (let there = false; ;) {
      const [now, time] = await frame(picturesThere);
      if ((now && !there) || drawn) end = time;
      there ||= now;
      drawn = false;
      if (there && time - end > QUIET_MS) return end - start;
      if (time - start > LIMIT_MS) return LIMIT_MS;
    }
  }

  async function opened() {
    const times = { pictures: 0, map: 0 };
    const look = () => document.querySelector("#gallery li img, #gallery li") && picturesThere();
    for (;;) {
      const [now, time] = await frame(look);
      if (now) times.pictures ||= time;
      if (drawn) times.map = time;
      drawn = false;
      if (times.pictures && document.querySelector("#legend li") && time - Math.max(times.map, times.pictures) > 2 * QUIET_MS) return times;
    }
  }

  window.clock = {
    opened: opened(),
    next: () => new Promise((done) => {
      const kinds = ["keydown", "click"];
      const take = (event) => {
        for (const kind of kinds) removeEventListener(kind, take, true);
        done(shownAfter(event.timeStamp));
      };
      for (const kind of kinds) addEventListener(kind, take, true);
    }),
    run: (action) => {
      const start = performance.now();
      action();
      return shownAfter(start);
    },
  };
})();
