set -e
# The name of this UTS namespace, as it is: of all settings the one that harms nobody.
name=$(</proc/sys/kernel/hostname)
echo "$name" >/proc/sys/kernel/hostname
echo SUCCEEDED: changed a setting of the kernel
