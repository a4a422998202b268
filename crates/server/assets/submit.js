// Submits the form of its page. Where scripts do not run, the form's button does.
const form = document.querySelector("form");
if (form) {
  // Not form.submit: a field may have that name.
  HTMLFormElement.prototype.submit.call(form);
}
