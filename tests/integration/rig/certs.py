"""A certificate authority for one test run, and certificates that it signed."""
import os
import subprocess


def _openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


class Authority:
    def __init__(self, directory, name="Test Authority"):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        self.file, self._key = self._path("ca.pem"), self._path("ca.key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-keyout", self._key, "-out", self.file, "-days", "30", "-subj", f"/CN={name}",
                 "-addext", "basicConstraints=critical,CA:TRUE")

    def _path(self, name):
        return os.path.join(self.dir, name)

    def issue(self, name, hosts=("DNS:localhost", "IP:127.0.0.1")):
        """Returns the paths of a certificate and its key."""
        cert, key, request, extra = (self._path(name + end) for end in (".pem", ".key", ".csr", ".ext"))
        with open(extra, "w") as f:
            f.write("subjectAltName=" + ",".join(hosts) + "\nbasicConstraints=CA:FALSE\n"
                    "extendedKeyUsage=serverAuth\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        _openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key, "-CAcreateserial",
                 "-days", "30", "-extfile", extra, "-out", cert)
        os.chmod(key, 0o644)  # servers drop to other users
        return cert, key
