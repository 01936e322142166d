/** Certificates for one run of tests, made by openssl. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const openssl = async (...options: string[]): Promise<void> => {
  await promisify(execFile)("openssl", options);
};

export interface Pair {
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority that signs certificates. */
export class Authority {
  readonly #folder: string;
  readonly #name: string;

  private constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  static async make(folder: string, name: string): Promise<Authority> {
    const authority = new Authority(folder, name);
    const { certFile, keyFile } = authority.#files(name);
    const extension = "basicConstraints=critical,CA:TRUE";
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const out = ["-keyout", keyFile, "-out", certFile];
    const subject = ["-subj", `/CN=${name}`, "-days", "1", "-addext", extension];
    await openssl("req", "-x509", ...key, ...subject, ...out);
    return authority;
  }

  get caFile(): string {
    return this.#files(this.#name).certFile;
  }

  /** Signs a certificate for names such as `DNS:localhost`. */
  async sign(name: string, alternativeNames: string): Promise<Pair> {
    const { certFile, keyFile } = this.#files(name);
    const request = join(this.#folder, `${name}.csr`);
    const extensions = join(this.#folder, `${name}.ext`);
    await writeFile(extensions, `subjectAltName=${alternativeNames}\n`);
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    await openssl("req", ...key, "-subj", `/CN=${name}`, "-keyout", keyFile, "-out", request);
    const authority = this.#files(this.#name);
    const by = ["-CA", authority.certFile, "-CAkey", authority.keyFile, "-CAcreateserial"];
    const out = ["-days", "1", "-extfile", extensions, "-out", certFile];
    await openssl("x509", "-req", "-in", request, ...by, ...out);
    return { certFile, keyFile };
  }

  #files(name: string): Pair {
    return {
      certFile: join(this.#folder, `${name}.pem`),
      keyFile: join(this.#folder, `${name}.key`),
    };
  }
}
