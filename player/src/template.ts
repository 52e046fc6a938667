import "media-chrome";
import "media-chrome/menu";
import "./stratos-context-menu.js";
import "./stratos-error-display.js";
import "./stratos-stats-display.js";

/** The player's markup. media-chrome's elements find the `<video>` and each other by themselves. */
export const markup = /* html */ `
<media-controller part="controller" lang="en">
  <video slot="media" part="video" playsinline crossorigin="anonymous"></video>
  <media-poster-image slot="poster" part="poster"></media-poster-image>
  <media-loading-indicator slot="centered-chrome" part="loading" noautohide></media-loading-indicator>
  <media-settings-menu part="menu settings-menu" hidden anchor="auto">
    <media-settings-menu-item class="quality">Quality
      <media-rendition-menu slot="submenu" hidden><div slot="title">Quality</div></media-rendition-menu>
    </media-settings-menu-item>
    <media-settings-menu-item>Speed
      <media-playback-rate-menu slot="submenu" hidden rates="0.5 0.75 1 1.25 1.5 2"><div slot="title">Speed</div></media-playback-rate-menu>
    </media-settings-menu-item>
    <media-settings-menu-item class="captions">Captions
      <media-captions-menu slot="submenu" hidden><div slot="title">Captions</div></media-captions-menu>
    </media-settings-menu-item>
    <media-settings-menu-item class="audio" hidden>Audio
      <media-audio-track-menu slot="submenu" hidden><div slot="title">Audio</div></media-audio-track-menu>
    </media-settings-menu-item>
  </media-settings-menu>
  <div class="bars" part="controls">
    <media-control-bar part="bar range-bar">
      <media-time-range part="time-range">
        <media-preview-thumbnail slot="preview" aria-hidden="true"></media-preview-thumbnail>
        <media-preview-chapter-display slot="preview"></media-preview-chapter-display>
        <media-preview-time-display slot="preview"></media-preview-time-display>
      </media-time-range>
    </media-control-bar>
    <media-control-bar part="bar button-bar">
      <media-play-button part="button play-button"></media-play-button>
      <media-seek-backward-button part="button" class="wide" seekoffset="10"></media-seek-backward-button>
      <media-seek-forward-button part="button" class="wide" seekoffset="10"></media-seek-forward-button>
      <media-mute-button part="button"></media-mute-button>
      <media-volume-range part="volume-range" class="wide"></media-volume-range>
      <media-time-display part="time" showduration notoggle></media-time-display>
      <span class="spring"></span>
      <media-captions-button part="button"></media-captions-button>
      <media-settings-menu-button part="button settings-button"></media-settings-menu-button>
      <media-pip-button part="button" class="medium"></media-pip-button>
      <media-airplay-button part="button" class="wide"></media-airplay-button>
      <media-fullscreen-button part="button"></media-fullscreen-button>
    </media-control-bar>
  </div>
</media-controller>
<slot hidden></slot>
<button class="unmute" part="unmute" hidden>Tap to unmute</button>
<stratos-stats-display part="stats" hidden></stratos-stats-display>
<stratos-context-menu part="menu context-menu" hidden></stratos-context-menu>
<stratos-error-display part="error" hidden></stratos-error-display>
`;

/** The player's style. Colours come from the custom properties that the element documents. */
export const style = /* css */ `
:host {
  --_accent: var(--stratos-accent, #4c8dff);
  --_text: var(--stratos-text, #fff);
  --_surface: var(--stratos-surface, rgb(16 18 24 / 0.82));
  --_hover: var(--stratos-hover, rgb(255 255 255 / 0.14));
  --media-primary-color: var(--_text);
  --media-secondary-color: transparent;
  --media-text-color: var(--_text);
  --media-icon-color: var(--_text);
  --media-control-background: transparent;
  --media-control-hover-background: var(--_hover);
  --media-range-bar-color: var(--_accent);
  --media-range-thumb-background: var(--_accent);
  --media-range-track-background: color-mix(in srgb, var(--_text) 28%, transparent);
  --media-time-range-buffered-color: color-mix(in srgb, var(--_text) 45%, transparent);
  --media-menu-background: var(--_surface);
  --media-settings-menu-background: var(--_surface);
  --media-menu-item-hover-background: var(--_hover);
  --media-tooltip-background: var(--_surface);
  --media-tooltip-display: var(--stratos-tooltip-display, inline-flex);
  --media-preview-background: var(--_surface);
  --media-focus-box-shadow: 0 0 0 2px var(--_accent);
  --media-font-family: var(--stratos-font, system-ui, sans-serif);
  --media-object-fit: contain;
  display: block;
  position: relative;
  width: 100%;
  aspect-ratio: var(--stratos-aspect-ratio, 16 / 9);
  overflow: hidden;
  background: var(--stratos-background, #000);
  color: var(--_text);
  font-family: var(--media-font-family);
  container-type: inline-size;
}
:host([hidden]) { display: none; }
:host([theme="light"]) {
  --_text: var(--stratos-text, #14161c);
  --_surface: var(--stratos-surface, rgb(255 255 255 / 0.92));
  --_hover: var(--stratos-hover, rgb(0 0 0 / 0.1));
  --_accent: var(--stratos-accent, #1257c9);
}
@media (prefers-color-scheme: light) {
  :host(:not([theme="dark"])) {
    --_text: var(--stratos-text, #14161c);
    --_surface: var(--stratos-surface, rgb(255 255 255 / 0.92));
    --_hover: var(--stratos-hover, rgb(0 0 0 / 0.1));
    --_accent: var(--stratos-accent, #1257c9);
  }
}
media-controller { width: 100%; height: 100%; display: block; }
video { width: 100%; height: 100%; }
/* Captions step aside for the controls. */
video::-webkit-media-text-track-container { transition: transform 0.2s; }
media-controller:not([userinactive]) video::-webkit-media-text-track-container,
media-controller[mediapaused] video::-webkit-media-text-track-container { transform: translateY(-72px) scale(0.98); }
:host([nocontrols]) video::-webkit-media-text-track-container { transform: none; }
/* Time runs from left to right in players of all languages. */
.bars {
  direction: ltr;
  display: flex;
  flex-direction: column;
  width: 100%;
  background: var(--_surface);
}
media-control-bar { width: 100%; align-items: center; }
media-time-range { width: 100%; height: 24px; --media-range-track-height: 4px; --media-range-padding: 0 12px; }
media-preview-thumbnail { --media-preview-thumbnail-max-width: 200px; border-radius: 4px; }
media-volume-range { width: 80px; --media-range-padding: 0 6px; }
media-time-display { font-variant-numeric: tabular-nums; }
media-settings-menu { border-radius: 8px; --media-menu-border-radius: 8px; }
media-settings-menu-item[hidden],
media-settings-menu-item:has(media-captions-menu:not([mediasubtitleslist])),
media-settings-menu-item:has(media-captions-menu[mediasubtitleslist=""]) { display: none; }
.spring { flex: 1; }
:host([nocontrols]) .bars, :host([nocontrols]) media-settings-menu { display: none; }
media-captions-button[mediasubtitleslist=""], media-captions-button:not([mediasubtitleslist]) { display: none; }
media-pip-button[mediapipunavailable], media-airplay-button[mediaairplayunavailable],
media-fullscreen-button[mediafullscreenunavailable] { display: none; }
.unmute {
  position: absolute;
  inset-block-start: 12px;
  inset-inline-start: 12px;
  padding: 8px 14px;
  border: 0;
  border-radius: 6px;
  background: var(--_surface);
  color: var(--_text);
  font: inherit;
  font-size: 14px;
  cursor: pointer;
}
.unmute:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; }
.unmute[hidden] { display: none; }
stratos-stats-display { position: absolute; inset-block-start: 12px; inset-inline-start: 12px; }
stratos-error-display { position: absolute; inset: 0; }
stratos-stats-display[hidden], stratos-error-display[hidden] { display: none; }
@container (max-width: 520px) { .wide { display: none; } }
@container (max-width: 340px) { .medium { display: none; } media-captions-button { display: none; } }
@media (prefers-reduced-motion: reduce) {
  :host { --media-control-transition-in: 0s; --media-control-transition-out: 0s; --media-menu-transition-in: none; --media-menu-transition-out: none; }
  * { transition: none; animation: none; }
}
`;
