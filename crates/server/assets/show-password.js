// Puts a button into every password field that shows what is typed. Where scripts do not run, there is no button.
for (const field of document.querySelectorAll(".password > input")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "reveal";
  button.setAttribute("aria-controls", field.id);

  const show = (shown) => {
    field.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
    // The name begins with the visible word, for people who speak to their computer.
    button.setAttribute("aria-label", `${button.textContent} password`);
  };
  button.addEventListener("click", () => show(field.type === "password"));
  // A browser keeps what was sent in a text field, and offers it to the next person.
  field.form?.addEventListener("submit", () => show(false));
  // A page that comes back from the history is as it was left.
  window.addEventListener("pageshow", () => show(false));

  field.spellcheck = false;
  field.autocapitalize = "none";
  show(false);
  field.after(button);
}
