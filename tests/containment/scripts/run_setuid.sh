setuid_program="$1"
set -e
[ "$("$setuid_program" -u)" = 0 ]
echo SUCCEEDED: became root by a setuid program
