"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const colours = 8;
  const byId = (id) => document.getElementById(id);
  const [explorer, map, path, details, legend] =
    ["explorer", "map", "path", "details", "legend"].map(byId);

  // Trees of nodes: { name, size, frees, by, group, children, parent, number }.

  const bySize = (one, other) => other.size - one.size;

  function adopt(parent, children) {
    parent.children = children.sort(bySize);
    for (const child of children) child.parent = parent;
    return parent;
  }

  // Every package, and in it its paths.
  function packageTree() {
    const packages = data.packages.map((one) => ({ ...one, children: [] }));
    const members = data.members.map((one) => ({ ...one, group: packages[one.package].group, children: [] }));
    packages.forEach((node, place) => {
      const own = members.filter((member) => member.package === place);
      if (own.length > 1) adopt(node, own);
    });
    return rooted("all packages", packages);
  }

  // Every path in the one without which it would not be there.
  function goesWithTree() {
    const nodes = data.members.map((one) => {
      const { group } = data.packages[one.package];
      return { ...one, group, own: one.size, size: one.frees, children: [] };
    });
    const below = nodes.map(() => []);
    nodes.forEach((node) => {
      if (node.above !== null) below[node.above].push(node);
    });
    nodes.forEach((node, place) => {
      if (below[place].length === 0) return;
      const itself = { ...node, name: `${node.name} itself`, size: node.own, frees: node.own };
      adopt(node, [...below[place], itself]);
    });
    return rooted(nodes[0].name, nodes[0].children.length ? nodes[0].children : [nodes[0]]);
  }

  // A root, with all nodes below it numbered so that an address can name them.
  function rooted(name, children) {
    const size = children.reduce((sum, child) => sum + child.size, 0);
    const root = adopt({ name, size, frees: size, by: "" }, children);
    root.all = [];
    const open = [root];
    while (open.length > 0) {
      const node = open.shift();
      node.number = root.all.push(node) - 1;
      open.push(...node.children);
    }
    return root;
  }

  const trees = { packages: packageTree(), tree: goesWithTree() };
  let view = "packages";
  let here = trees.packages;

  // Words.

  function sized(bytes) {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let unit = 0;
    let number = bytes;
    while (number >= 999.95 && unit + 1 < units.length) {
      number /= 1000;
      unit += 1;
    }
    return unit === 0 ? `${bytes} B` : `${number.toFixed(1)} ${units[unit]}`;
  }

  const share = (bytes) => `${(bytes * 100 / Math.max(trees.packages.size, 1)).toFixed(1)} %`;

  function described(node) {
    const parts = [`${node.name}: ${sized(node.size)}, ${share(node.size)} of all`];
    if (node.frees !== node.size) parts.push(`frees ${sized(node.frees)}`);
    if (node.by) parts.push(`pulled in by ${node.by}`);
    return parts.join("; ");
  }

  // Colours: the largest groups have one each.

  const groups = new Map();
  for (const { group, size } of data.packages) groups.set(group, (groups.get(group) || 0) + size);
  const ranked = [...groups].sort((one, other) => other[1] - one[1]).slice(0, colours);
  const colourOf = (group) => {
    const place = ranked.findIndex(([name]) => name === group);
    return place < 0 ? "rest" : String(place);
  };
  for (const [group, size] of ranked) {
    const item = document.createElement("li");
    item.dataset.colour = colourOf(group);
    item.textContent = `${group === null ? "toplevel" : group} ${sized(size)}`;
    legend.append(item);
  }

  // Lays `nodes`, the largest first, into a rectangle, each with an area as its size: rows
  // along the shorter side, a row taking one more as long as its tiles come nearer to
  // squares (Bruls, Huizing and van Wijk, "Squarified Treemaps", 2000).
  function squarify(nodes, width, height) {
    const total = nodes.reduce((sum, node) => sum + node.size, 0);
    const scale = total > 0 ? (width * height) / total : 0;
    const placed = [];
    let free = { x: 0, y: 0, width, height };
    let next = 0;
    while (next < nodes.length) {
      const side = Math.min(free.width, free.height);
      let end = next;
      let sum = 0;
      let worst = Infinity;
      while (end < nodes.length) {
        const longer = sum + nodes[end].size * scale;
        const flattest = aspect(nodes[next].size * scale, nodes[end].size * scale, longer, side);
        if (flattest > worst) break;
        [sum, worst] = [longer, flattest];
        end += 1;
      }
      free = row(nodes.slice(next, end), scale, sum, free, placed);
      next = end;
    }
    return placed;
  }

  // How flat the flattest tile of a row is.
  function aspect(largest, smallest, sum, side) {
    const square = side * side;
    return Math.max((square * largest) / (sum * sum), (sum * sum) / (square * smallest));
  }

  // Puts a row at the beginning of a rectangle, and gives what is left of that.
  function row(nodes, scale, sum, free, placed) {
    const upright = free.width >= free.height;
    const side = upright ? free.height : free.width;
    const depth = side > 0 ? sum / side : 0;
    let along = 0;
    for (const node of nodes) {
      const length = depth > 0 ? (node.size * scale) / depth : 0;
      placed.push(upright
        ? { node, x: free.x, y: free.y + along, width: depth, height: length }
        : { node, x: free.x + along, y: free.y, width: length, height: depth });
      along += length;
    }
    return upright
      ? { x: free.x + depth, y: free.y, width: Math.max(free.width - depth, 0), height: free.height }
      : { x: free.x, y: free.y + depth, width: free.width, height: Math.max(free.height - depth, 0) };
  }

  // The map.

  let tiles = [];

  function draw() {
    const { width, height } = map.getBoundingClientRect();
    const focused = map.contains(document.activeElement);
    map.dataset.width = width;
    map.dataset.height = height;
    tiles = squarify(here.children, width, height).map(tile);
    map.replaceChildren(...tiles.map((one) => one.element));
    if (tiles.length > 0) tiles[0].element.tabIndex = 0;
    if (focused) focus(tiles[0]);
    search();
  }

  function tile({ node, x, y, width, height }) {
    const element = document.createElement("button");
    element.type = "button";
    element.className = node.children.length > 0 ? "tile opens" : "tile";
    element.tabIndex = -1;
    element.dataset.colour = colourOf(node.group);
    element.dataset.name = node.name;
    element.dataset.size = node.size;
    element.setAttribute("aria-label", described(node));
    Object.assign(element.style, {
      left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px`,
    });
    if (width > 44 && height > 22) label(element, node.name);
    if (width > 44 && height > 40) label(element, sized(node.size));
    const one = { node, element, x: x + width / 2, y: y + height / 2 };
    element.addEventListener("click", () => enter(node));
    element.addEventListener("mouseenter", () => tell(node));
    element.addEventListener("focus", () => tell(node));
    return one;
  }

  function label(element, text) {
    const span = document.createElement("span");
    span.textContent = text;
    element.append(span);
  }

  function tell(node) {
    details.textContent = described(node);
  }

  function focus(one) {
    if (!one) return;
    for (const other of tiles) other.element.tabIndex = -1;
    one.element.tabIndex = 0;
    one.element.focus();
  }

  // The way back, from the root down.
  function drawPath() {
    const steps = [];
    for (let node = here; node; node = node.parent) steps.unshift(node);
    path.replaceChildren(...steps.map((node) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${node.name} ${sized(node.size)}`;
      button.disabled = node === here;
      button.addEventListener("click", () => go(view, node));
      return button;
    }));
    for (const button of document.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === view));
    }
  }

  // Where one is, kept in the address: #packages, #tree, #tree/12.

  function go(to, node) {
    const address = node === trees[to] ? `#${to}` : `#${to}/${node.number}`;
    if (location.hash !== address) location.hash = address;
    show(to, node);
  }

  function show(to, node) {
    if (view === to && here === node && tiles.length > 0) return;
    [view, here] = [to, node];
    tell(here);
    drawPath();
    draw();
  }

  function enter(node) {
    if (node.children.length > 0) go(view, node);
  }

  function follow() {
    const [to, number] = location.hash.slice(1).split("/");
    const tree = Object.hasOwn(trees, to) ? to : "packages";
    const node = trees[tree].all[Number(number)];
    show(tree, node && node.children.length > 0 ? node : trees[tree]);
  }

  // Search: what does not match steps back.

  const rows = [...byId("table").tBodies[0].rows].map((element) => ({
    element, text: element.textContent.toLowerCase(),
  }));

  function search() {
    const word = byId("search").value.trim().toLowerCase();
    const matches = (node) => `${node.name} ${node.by}`.toLowerCase().includes(word) ||
      node.children.some(matches);
    for (const { node, element } of tiles) {
      element.classList.toggle("dim", word !== "" && !matches(node));
    }
    for (const { element, text } of rows) element.hidden = !text.includes(word);
    const found = data.packages.filter((one) => `${one.name} ${one.by}`.toLowerCase().includes(word));
    const sum = found.reduce((all, one) => all + one.size, 0);
    byId("found").textContent = word === "" ? "" :
      `${found.length} of ${data.packages.length} packages, ${sized(sum)}`;
  }

  // Keys: the nearest tile in a direction.

  const directions = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  };

  function neighbour(from, [right, down]) {
    let [best, least] = [null, Infinity];
    for (const other of tiles) {
      const [x, y] = [other.x - from.x, other.y - from.y];
      const ahead = x * right + y * down;
      const aside = Math.abs(x * down) + Math.abs(y * right);
      const distance = ahead + 2 * aside;
      if (ahead > 0.5 && distance < least) [best, least] = [other, distance];
    }
    return best;
  }

  map.addEventListener("keydown", (event) => {
    const from = tiles.find((one) => one.element === document.activeElement);
    if (event.key in directions && from) {
      event.preventDefault();
      focus(neighbour(from, directions[event.key]));
    } else if ((event.key === "Escape" || event.key === "Backspace") && here.parent) {
      event.preventDefault();
      go(view, here.parent);
    }
  });

  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => go(button.dataset.view, trees[button.dataset.view]));
  }
  byId("search").addEventListener("input", search);
  window.addEventListener("hashchange", follow);
  // The window or a scroll bar changes the room that there is.
  new ResizeObserver(() => {
    const { width, height } = map.getBoundingClientRect();
    if (String(width) !== map.dataset.width || String(height) !== map.dataset.height) draw();
  }).observe(map);
  explorer.hidden = false;
  follow();
})();
