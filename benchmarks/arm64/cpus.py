"""The processors that are emulated, and what their files in ``/proc`` and ``/sys`` say."""

from dataclasses import dataclass

# What the kernel says of QEMU's processors: the Cortex-A53 is plain ARMv8-A; the Cortex-A55 and the Cortex-A76 alike are
# ARMv8.2-A with dot products and fp16.
_ARMV8 = "fp asimd aes pmull sha1 sha2 crc32 cpuid"
_ARMV8_2 = "fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"


@dataclass(frozen=True)
class Cpu:
    """A processor of the emulated system, with one core."""

    name: str
    """What QEMU 10 calls it."""
    identity: tuple[int, int, int] | None
    """Variant, part and revision, by which inference engines choose kernels; None where QEMU 10 alone has to say them."""
    counting: str | None
    """What QEMU 7.2, which counts, calls it; None where its numbers aren't to be trusted or wanted."""
    features: str = _ARMV8_2

    def files(self) -> dict[str, str]:
        """The files, by path below the root, that programs find out about the processor with.

        QEMU 10 makes up ``/proc/cpuinfo`` itself. With 7.2 the host's would be seen, on which LiteRT crashes; and with both
        the host's ``/sys``, which tells of other cores.
        """
        system = {
            "possible": "0",
            "present": "0",
            "online": "0",
            "kernel_max": "0",
            "cpu0/cpufreq/cpuinfo_max_freq": "2000000",
            "cpu0/cpufreq/cpuinfo_min_freq": "1000000",
            "cpu0/topology/core_id": "0",
            "cpu0/topology/physical_package_id": "0",
            "cpu0/topology/core_siblings": "1",
            "cpu0/topology/core_siblings_list": "0",
            "cpu0/topology/thread_siblings": "1",
            "cpu0/topology/thread_siblings_list": "0",
        }
        files = {f"sys/devices/system/cpu/{name}": content + "\n" for name, content in system.items()}
        if self.identity is not None:
            variant, part, revision = self.identity
            files["proc/cpuinfo"] = (
                "processor\t: 0\n"
                "BogoMIPS\t: 100.00\n"
                f"Features\t: {self.features}\n"
                "CPU implementer\t: 0x41\n"
                "CPU architecture: 8\n"
                f"CPU variant\t: {variant:#x}\n"
                f"CPU part\t: {part:#x}\n"
                f"CPU revision\t: {revision}\n"
                "\n"
            )
        return files


CPUS = {
    cpu.name: cpu
    for cpu in (
        Cpu("cortex-a76", identity=(4, 0xD0B, 1), counting="cortex-a76"),
        # QEMU 7.2 has no Cortex-A55. It runs the same instructions as the Cortex-A76, so that is emulated, with the
        # identity (MIDR) of the Cortex-A55.
        Cpu("cortex-a55", identity=(2, 0xD05, 0), counting="cortex-a76,midr=0x412fd050"),
        # Without dot products.
        Cpu("cortex-a53", identity=(0, 0xD03, 4), counting=None, features=_ARMV8),
        # All that QEMU knows, SVE2 and SME among it. QEMU 7.2 computes wrong results with it.
        Cpu("max", identity=None, counting=None),
    )
}
COUNTED = tuple(cpu.name for cpu in CPUS.values() if cpu.counting)
"""Processors whose instructions can be counted."""
