import type { PlayerError } from "./errors.js";

const template = /* html */ `
<style>
  :host { container-type: size; overflow: auto; display: grid; place-items: center; background: #0a0c10; color: #fff; font: 16px/1.4 system-ui, sans-serif; }
  :host([hidden]) { display: none; }
  div { max-width: 34em; padding: 16px; text-align: center; }
  h2 { margin: 0 0 8px; font-size: 1.15em; font-weight: 600; }
  p { margin: 0 0 12px; }
  code { opacity: 0.8; font-size: 0.85em; }
  button { margin: 4px; padding: 8px 14px; border: 1px solid rgb(255 255 255 / 0.5); border-radius: 6px; background: none; color: inherit; font: inherit; cursor: pointer; }
  button:hover { background: rgb(255 255 255 / 0.14); }
  button:focus-visible { outline: 2px solid #8ab4ff; outline-offset: 2px; }
  @container (max-height: 240px) {
    div { padding: 8px; font-size: 12px; }
    h2, p { margin-bottom: 4px; }
    button { padding: 4px 10px; }
  }
</style>
<div role="alert">
  <h2></h2>
  <p class="hint"></p>
  <p><code></code></p>
  <button class="retry">Try again</button><button class="copy">Copy details</button>
</div>`;

/**
 * `<stratos-error-display>`: what went wrong, what to do, a code, and the details for whoever is asked for help.
 *
 * @fires retry - the viewer wants to try again
 */
export class StratosErrorDisplay extends HTMLElement {
  #error: PlayerError | undefined;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.innerHTML = template;
    root.querySelector(".retry")?.addEventListener("click", () => this.dispatchEvent(new Event("retry")));
    root.querySelector(".copy")?.addEventListener("click", () => void this.#copy());
  }

  /** The error that is shown; nothing is shown without. */
  get error(): PlayerError | undefined {
    return this.#error;
  }

  set error(error: PlayerError | undefined) {
    this.#error = error;
    this.hidden = error === undefined;
    const put = (selector: string, text: string) => {
      const element = this.shadowRoot?.querySelector(selector);
      if (element) element.textContent = text;
    };
    put("h2", error?.message ?? "");
    put(".hint", error?.hint ?? "");
    put("code", error ? `Code: ${error.reason}` : "");
    put(".copy", "Copy details");
  }

  async #copy(): Promise<void> {
    const error = this.#error;
    if (!error) return;
    const facts = [
      error.message,
      `code: ${error.reason}`,
      error.details,
      location.href,
      new Date().toISOString(),
      navigator.userAgent,
    ];
    const button = this.shadowRoot?.querySelector(".copy");
    try {
      await navigator.clipboard.writeText(facts.join("\n"));
      if (button) button.textContent = "Copied";
    } catch {
      // No clipboard outside of secure contexts: show what should have been copied.
      if (button) button.textContent = facts.slice(1, 3).join(" · ");
    }
  }
}

if (!customElements.get("stratos-error-display")) customElements.define("stratos-error-display", StratosErrorDisplay);

declare global {
  interface HTMLElementTagNameMap {
    "stratos-error-display": StratosErrorDisplay;
  }
}
