import { expect, test } from "bun:test";
import type { HostConfig } from "../../spec/engine-api.ts";
import { checkLog } from "./drivers.ts";

// What a real dockerd said, at create or, where it looks at an option only then, at the start.

type Driver = NonNullable<NonNullable<HostConfig["LogConfig"]>["Type"]>;
const check = (type: string, options: Record<string, string>): void =>
  checkLog({ LogConfig: { Type: type as Driver, Config: options } });
const UDP = { "gelf-address": "udp://127.0.0.1:1" };
const TCP = { "gelf-address": "tcp://127.0.0.1:1" };

test.each<[string, Record<string, string>, string]>([
  ["nope", {}, 'error looking up logging plugin nope: plugin "nope" not found'],
  ["json-file", { foo: "bar" }, "unknown log opt 'foo' for json-file log driver"],
  ["local", { foo: "bar" }, "unknown log opt 'foo' for log driver local"],
  ["local", { tag: "x" }, "unknown log opt 'tag' for log driver local"],
  ["syslog", { foo: "bar" }, "unknown log opt 'foo' for syslog log driver"],
  ["syslog", { "cache-foo": "1" }, "unknown log opt 'cache-foo' for syslog log driver"],
  ["gelf", { foo: "bar" }, "gelf-address is a required parameter"],
  ["gelf", { ...UDP, foo: "bar" }, "unknown log opt 'foo' for gelf log driver"],
  ["fluentd", { foo: "bar" }, "unknown log opt 'foo' for fluentd log driver"],
  ["fluentd", { "fluentd-async-connect": "true" }, "unknown log opt 'fluentd-async-connect' for fluentd log driver"],
  ["journald", { foo: "bar" }, "unknown log opt 'foo' for journald log driver"],
  ["json-file", { "max-size": "x" }, "invalid size: 'x'"],
  ["json-file", { "max-size": "" }, "invalid size: ''"],
  ["json-file", { "max-size": "-5" }, "invalid size: '-5'"],
  ["json-file", { "max-size": "0" }, "max-size must be a positive number"],
  ["json-file", { "max-file": "0" }, "max-file cannot be less than 1"],
  ["json-file", { "max-file": "-1" }, "max-file cannot be less than 1"],
  ["json-file", { "max-file": "x" }, 'strconv.Atoi: parsing "x": invalid syntax'],
  ["json-file", { compress: "x" }, 'strconv.ParseBool: parsing "x": invalid syntax'],
  [
    "json-file",
    { compress: "true", "max-size": "1m", "max-file": "1" },
    "compress cannot be true when max-file is less than 2 or max-size is not set",
  ],
  ["local", { "max-size": "x" }, "invalid value for max-size: x: invalid size: 'x'"],
  ["local", { "max-size": "-1" }, "invalid value for max-size: -1: invalid size: '-1'"],
  ["local", { "max-file": "x" }, 'invalid value for max-file: x: strconv.Atoi: parsing "x": invalid syntax'],
  ["local", { "max-file": "0" }, "compression cannot be enabled when max file count is 1"],
  ["local", { "max-file": "1" }, "compression cannot be enabled when max file count is 1"],
  ["local", { "max-file": "0", compress: "false" }, "max-file cannot be less than 1"],
  ["local", { compress: "x" }, 'error reading compress log option: strconv.ParseBool: parsing "x": invalid syntax'],
  ["json-file", { mode: "foo" }, "logger: logging mode not supported: foo"],
  [
    "json-file",
    { "max-buffer-size": "4m" },
    "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
  ],
  [
    "syslog",
    { mode: "non-blocking", "max-buffer-size": "x" },
    "error parsing option max-buffer-size: invalid size: 'x'",
  ],
  [
    "json-file",
    { tag: "a{{.Foo}}" },
    `template: log-tag:1:3: executing "log-tag" at <.Foo>: can't evaluate field Foo in type *logger.Info`,
  ],
  ["json-file", { tag: "{{.ID" }, "template: log-tag:1: unclosed action"],
  ["json-file", { tag: '{{printf "x"}}' }, "template: log-tag:1: unexpected"],
  ["json-file", { "env-regex": "[" }, "error parsing regexp: missing closing ]: `[`"],
  ["json-file", { "labels-regex": "(" }, "error parsing regexp: "],
  ["syslog", { "syslog-address": "foo" }, "unsupported scheme: ''"],
  ["syslog", { "syslog-address": "http://x:1" }, "unsupported scheme: 'http'"],
  ["syslog", { "syslog-address": "unix:///nope" }, "stat /nope: no such file or directory"],
  ["syslog", { "syslog-address": "tcp://a:b:c" }, "bad address"],
  ["syslog", { "syslog-facility": "foo" }, "invalid syslog facility"],
  ["syslog", { "syslog-facility": "24" }, "invalid syslog facility"],
  ["syslog", { "syslog-facility": "ntp" }, "invalid syslog facility"],
  ["syslog", { "syslog-format": "foo" }, "Invalid syslog format"],
  ["syslog", { "cache-disabled": "x" }, "invalid value for option cache-disabled: x"],
  ["syslog", { "cache-max-size": "x" }, "invalid value for cache-max-size: x: invalid size: 'x'"],
  ["gelf", { "gelf-address": "foo" }, "gelf: endpoint needs to be TCP or UDP"],
  ["gelf", { "gelf-address": "udp://x" }, "gelf: please provide gelf-address as proto://host:port"],
  [
    "gelf",
    { ...UDP, "gelf-compression-type": "foo" },
    'unknown value "foo" for log opt "gelf-compression-type" for gelf log driver',
  ],
  [
    "gelf",
    { ...UDP, "gelf-compression-level": "10" },
    'unknown value "10" for log opt "gelf-compression-level" for gelf log driver',
  ],
  ["gelf", { ...TCP, "gelf-compression-type": "none" }, "compression is only supported on UDP"],
  ["gelf", { ...TCP, "gelf-tcp-max-reconnect": "-1" }, '"gelf-tcp-max-reconnect" must be a positive integer'],
  ["gelf", { ...TCP, "gelf-tcp-reconnect-delay": "x" }, '"gelf-tcp-reconnect-delay" must be a positive integer'],
  ["gelf", { ...UDP, "gelf-tcp-max-reconnect": "1" }, '"gelf-tcp-max-reconnect" is only valid for TCP'],
  ["fluentd", { "fluentd-address": "http://x" }, "invalid fluentd-address (http://x): unsupported scheme: 'http'"],
  [
    "fluentd",
    { "fluentd-address": "x:y:z" },
    'invalid fluentd-address (x:y:z): parse "tcp://x:y:z": invalid port ":z" after host',
  ],
  ["fluentd", { "fluentd-address": "unix://" }, "invalid fluentd-address (unix://): path is empty"],
  [
    "fluentd",
    { "fluentd-address": "tcp://x/path" },
    "invalid fluentd-address (tcp://x/path): should not contain a path element",
  ],
  ["fluentd", { "fluentd-async": "x" }, 'strconv.ParseBool: parsing "x": invalid syntax'],
  ["fluentd", { "fluentd-request-ack": "x" }, 'strconv.ParseBool: parsing "x": invalid syntax'],
  ["fluentd", { "fluentd-buffer-limit": "x" }, "invalid size: 'x'"],
  ["fluentd", { "fluentd-retry-wait": "x" }, 'time: invalid duration "x"'],
  ["fluentd", { "fluentd-max-retries": "x" }, 'strconv.ParseUint: parsing "x": invalid syntax'],
  [
    "fluentd",
    { "fluentd-async-reconnect-interval": "x" },
    'invalid value for fluentd-async-reconnect-interval: time: invalid duration "x"',
  ],
  [
    "fluentd",
    { "fluentd-async-reconnect-interval": "10ms" },
    'invalid value for fluentd-async-reconnect-interval: value ("10ms") must be between 100ms and 10s',
  ],
  [
    "fluentd",
    { "fluentd-write-timeout": "x" },
    'invalid value for fluentd-write-timeout: value must be a duration: time: invalid duration "x"',
  ],
])("%s with %j is refused", (type, options, words) => {
  expect(() => check(type, options)).toThrow(words);
});

test.each<[string, Record<string, string>]>([
  ["none", { anything: "goes" }],
  ["json-file", { "max-size": "1k", "max-file": "1" }],
  ["json-file", { "max-size": "-1" }],
  ["json-file", { compress: "true" }],
  ["json-file", { compress: "T", "max-size": "1m", "max-file": "2", labels: "a,b", tag: "{{ .ID }}/{{- .Name -}}" }],
  ["json-file", { "cache-disabled": "true", mode: "blocking" }],
  ["local", { "max-file": "1", compress: "false", "max-size": "0" }],
  ["syslog", {}],
  ["syslog", { "syslog-address": "udp://", "syslog-facility": "local7", "syslog-format": "rfc5424micro" }],
  ["syslog", { "syslog-address": "tcp://127.0.0.1", "syslog-facility": "3" }],
  ["syslog", { "syslog-address": "tcp+tls://[::1]:6514", "syslog-tls-ca-cert": "/nope" }],
  ["gelf", { ...UDP, "gelf-compression-type": "zlib", "gelf-compression-level": "-1" }],
  ["gelf", { ...TCP, "gelf-tcp-max-reconnect": "3", "gelf-tcp-reconnect-delay": "1" }],
  ["fluentd", {}],
  ["fluentd", { "fluentd-address": "tls://x:1", "fluentd-async": "true", "fluentd-async-reconnect-interval": "1s" }],
  ["fluentd", { "fluentd-address": "[::1]:24224", "fluentd-write-timeout": "1s", "fluentd-buffer-limit": "1m" }],
  ["journald", { mode: "non-blocking", "max-buffer-size": "4m", tag: "x" }],
])("%s with %j is fine", (type, options) => {
  expect(() => check(type, options)).not.toThrow();
});
