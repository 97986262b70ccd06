import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/components.css";
import "./styles/courtroom.css";
import "./styles/phone.css";
import "./styles/kiosk.css";
import "./styles/narrow.css";
import { startLanguage } from "./core/language.ts";
import { startTheme } from "./core/theme.ts";
import { exposeForMeasurement } from "./core/measurement.ts";
import "./pages/app.ts";

startLanguage();
startTheme();
exposeForMeasurement();
