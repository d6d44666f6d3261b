/** @file Applies the chosen theme before the page is first painted; a plain script, run at once. */
{
  const apply = () => {
    let chosen = null;
    try {
      chosen = localStorage.getItem("botkeys-theme");
    } catch {
      // A browser that keeps nothing follows the system.
    }
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
  };
  apply();
  addEventListener("storage", apply); // chosen in another tab
  addEventListener("botkeys-theme", apply);
}
