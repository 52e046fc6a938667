const template = /* html */ `
<style>
  :host { position: absolute; z-index: 2; display: block; min-width: 180px; padding: 4px; border-radius: 8px; background: rgb(16 18 24 / 0.95); color: #fff; font: 14px/1.4 system-ui, sans-serif; }
  :host([hidden]) { display: none; }
  button { display: block; width: 100%; padding: 8px 12px; border: 0; border-radius: 5px; background: none; color: inherit; font: inherit; text-align: start; cursor: pointer; }
  button:hover, button:focus-visible { background: rgb(255 255 255 / 0.16); outline: none; }
</style>
<div role="menu" aria-label="Player">
  <button role="menuitem" data-choice="stats">Statistics</button>
  <button role="menuitem" data-choice="link">Copy link at this time</button>
</div>`;

/**
 * `<stratos-context-menu>`: the menu on a right click, or on the context menu key.
 *
 * @fires choose - the viewer chose; detail is "stats" or "link"
 */
export class StratosContextMenu extends HTMLElement {
  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.innerHTML = template;
    root.addEventListener("click", (event) => {
      const choice = (event.target as HTMLElement).dataset.choice;
      this.hidden = true;
      if (choice) this.dispatchEvent(new CustomEvent("choose", { detail: choice }));
    });
    root.addEventListener("keydown", (event) => this.#onKey(event as KeyboardEvent));
    this.addEventListener("focusout", (event) => {
      if (!this.shadowRoot?.contains(event.relatedTarget as Node | null)) this.hidden = true;
    });
  }

  /** Opens the menu at a place in its host, and focuses its first item. */
  open(x: number, y: number): void {
    this.hidden = false;
    const room = (this.offsetParent ?? document.documentElement).getBoundingClientRect();
    this.style.left = `${Math.max(0, Math.min(x, room.width - this.offsetWidth))}px`;
    this.style.top = `${Math.max(0, Math.min(y, room.height - this.offsetHeight))}px`;
    this.#items()[0]?.focus();
  }

  #items(): HTMLButtonElement[] {
    return [...(this.shadowRoot?.querySelectorAll("button") ?? [])];
  }

  #onKey(event: KeyboardEvent): void {
    const items = this.#items();
    const at = items.indexOf(this.shadowRoot?.activeElement as HTMLButtonElement);
    if (event.key === "Escape") this.hidden = true;
    else if (event.key === "ArrowDown") items[(at + 1) % items.length]?.focus();
    else if (event.key === "ArrowUp") items[(at + items.length - 1) % items.length]?.focus();
    else if (event.key !== "Enter" && event.key !== " " && event.key !== "Tab") return;
    // The player's own keys must not act while the menu is open.
    event.stopPropagation();
    if (event.key.startsWith("Arrow")) event.preventDefault();
  }
}

if (!customElements.get("stratos-context-menu")) customElements.define("stratos-context-menu", StratosContextMenu);

declare global {
  interface HTMLElementTagNameMap {
    "stratos-context-menu": StratosContextMenu;
  }
}
