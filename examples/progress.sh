# Prints ten lines, one after the other, so that there is a log to watch while it grows.
#
#     path  f/examples/progress     language  bash     summary  Ten lines of log, in Bash
#
# The names that are given to $1 and $2 are the fields of the form; what stands behind `:-` is the default.
delay="${1:-0.5}"
what="${2:-step}"

for number in 1 2 3 4 5 6 7 8 9 10; do
  echo "$what $number of 10"
  sleep "$delay"
done

# The last line of the output is the result, unless the script writes ./result.json, which may be any JSON.
printf '{"steps": 10, "delay": %s}' "$delay" > result.json
