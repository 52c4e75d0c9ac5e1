import { describeCutShort } from "./cut-short.js";

describeCutShort("directory");
