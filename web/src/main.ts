// The entry of the chat page: styles and the root component. Everything else is below `App`.

import { mount } from "svelte";
import App from "./App.svelte";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/panels.css";
import "./styles/log.css";
import "./styles/forms.css";

mount(App, { target: document.getElementById("app") as HTMLElement });
