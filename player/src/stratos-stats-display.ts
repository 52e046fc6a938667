/** Lines of the statistics: a label and its value. */
export type Stats = [label: string, value: string][];

const template = /* html */ `
<style>
  :host { display: block; max-width: calc(100% - 24px); box-sizing: border-box; padding: 10px 12px; border-radius: 6px; background: rgb(10 12 16 / 0.85); color: #fff; font: 12px/1.5 ui-monospace, monospace; }
  :host([hidden]) { display: none; }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 12px; margin: 0; }
  dt { color: #b9c4d6; } dd { margin: 0; overflow-wrap: anywhere; }
  button { position: absolute; inset-block-start: 2px; inset-inline-end: 2px; border: 0; background: none; color: inherit; font: inherit; cursor: pointer; padding: 4px 8px; }
  button:focus-visible { outline: 2px solid #8ab4ff; }
</style>
<button aria-label="Close statistics">✕</button><dl aria-label="Statistics"></dl>`;

/** `<stratos-stats-display>`: what plays, from where, and how well; read again every half second while it is shown. */
export class StratosStatsDisplay extends HTMLElement {
  /** Where the lines come from. */
  source: (() => Stats) | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  static get observedAttributes(): string[] {
    return ["hidden"];
  }

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.innerHTML = template;
    root.querySelector("button")?.addEventListener("click", () => {
      this.hidden = true;
    });
  }

  attributeChangedCallback(): void {
    this.#schedule();
  }

  connectedCallback(): void {
    this.#schedule();
  }

  disconnectedCallback(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.hidden || !this.isConnected) return;
    this.#render();
    this.#timer = setInterval(() => this.#render(), 500);
  }

  #render(): void {
    const list = this.shadowRoot?.querySelector("dl");
    const lines = (this.source?.() ?? []).flatMap(([label, value]) => {
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = label;
      dd.textContent = value;
      return [dt, dd];
    });
    list?.replaceChildren(...lines);
  }
}

if (!customElements.get("stratos-stats-display")) customElements.define("stratos-stats-display", StratosStatsDisplay);

declare global {
  interface HTMLElementTagNameMap {
    "stratos-stats-display": StratosStatsDisplay;
  }
}
