// Called as: k6 run -e URL=… -e METHOD=… -e BODY=… -e ANSWER=… k6.js. Exits with 99 if an answer was wrong.

import { check } from "k6";
import http from "k6/http";

export const options = {
  thresholds: { checks: ["rate==1"], http_req_failed: ["rate==0"] },
};

const checks = {
  status: (response) => response.status === 200,
  body: (response) => response.body === __ENV.ANSWER,
};
const body = __ENV.BODY || null;
const params = body ? { headers: { "Content-Type": "application/json" } } : {};

export default function () {
  check(http.request(__ENV.METHOD, __ENV.URL, body, params), checks);
}
