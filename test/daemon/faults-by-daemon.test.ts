import { describeCutShort } from "./cut-short.js";

describeCutShort("daemon");
