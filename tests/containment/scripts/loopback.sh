port="$1"
set -e
exec 5<>"/dev/tcp/127.0.0.1/$port"
echo SUCCEEDED: connected to a service of the machine
