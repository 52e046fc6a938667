// The fragment of a page's URL is the player's: /watch/films/film#t=90 starts at 1:30.
(() => {
  const player = document.querySelector("stratos-player");
  const follow = () => {
    if (location.hash.includes("t="))
      player.setAttribute("src", player.getAttribute("src").split("#")[0] + location.hash);
  };
  follow();
  addEventListener("hashchange", follow);
  for (const field of document.querySelectorAll("textarea, input"))
    field.addEventListener("focus", () => field.select());
})();
